"""A picture from an outside provider, with the visitor's own token, which is in no plan, log or cache.

Where requests go is settled by the model's name and by the environment (HANDLAB_IMAGE_URL), never by a
visitor.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.types import Plan, UserError, register

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)
OPENAI_URL = "https://api.openai.com/v1"
TIMEOUT_S = 120
MAX_REPLY_BYTES = 40 << 20


@register
@dataclass(frozen=True, kw_only=True)
class Remote:
    """An init part that makes the whole picture elsewhere: no loop runs.

    hub: huggingface_hub's InferenceClient. openai: POST /images/generations of any server that speaks it.
    """

    provider: Literal["hub", "openai"] = "hub"
    model: str = ""

    def picture(self, plan: Plan, token: str | None) -> np.ndarray:
        """(H, W, 3) uint8 of the plan's size, cut to its aspect."""
        from engine.image import fit, open_image

        if not token:
            raise UserError(
                "This provider needs a token of your own; paste it into the token field.", code="no_token"
            )
        ask = self._hub if self.provider == "hub" else self._openai
        try:
            data = ask(plan, token)
        except UserError:
            raise
        except Exception as error:  # whatever the network and the provider raise
            logger.warning("the provider %s failed: %s", self.provider, type(error).__name__)
            raise UserError(
                f"The provider gave no picture ({_reason(error)}); check token, model and credit.",
                code="provider_failed",
            ) from None  # the cause may quote the request, and with it the token
        return fit(open_image(data), plan.size)

    def _hub(self, plan: Plan, token: str) -> bytes:
        import io

        from huggingface_hub import InferenceClient

        height, width = plan.size
        image = InferenceClient(token=token, timeout=TIMEOUT_S).text_to_image(
            plan.text.text,
            model=self.model,
            negative_prompt=plan.text.negative or None,
            height=height,
            width=width,
            num_inference_steps=plan.sampler.steps,
            guidance_scale=plan.sampler.cfg,
            seed=plan.seed,
        )
        out = io.BytesIO()
        image.save(out, "PNG")
        return out.getvalue()

    def _openai(self, plan: Plan, token: str) -> bytes:
        url = os.environ.get("HANDLAB_IMAGE_URL", OPENAI_URL).rstrip("/") + "/images/generations"
        reply = _post(
            url, {"model": self.model, "prompt": plan.text.text, "n": 1, "size": "1024x1024"}, token
        )
        first = reply["data"][0]
        if "b64_json" in first:
            return base64.b64decode(first["b64_json"])
        if not first["url"].startswith("https://"):
            raise ValueError("the picture's address is not https")
        with urllib.request.urlopen(first["url"], timeout=TIMEOUT_S) as file:
            return file.read(MAX_REPLY_BYTES)


def _post(url: str, body: dict[str, Any], token: str) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        return json.loads(reply.read(MAX_REPLY_BYTES))


def _reason(error: Exception) -> str:
    code = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return f"error {code}" if code else type(error).__name__
