#!/bin/sh
# Goes on from the shipped weights on one GPU: the base and its ControlNet, then all that builds on them, side by side.
# Pictures first, as the recipes' heads say. A stage that is done is loaded, one that was killed goes on.
set -e
train() { python -m engine.train "$@"; }

train base controlnet ship --recipe continue
python -m engine.fetch embedded --hash
train latents --recipe branches
train latents --recipe gestures
for stage in sesahand controlnet-depth handbooster attentionhand foundhand; do
    train $stage --alone --recipe branches &
done
for gesture in call four like mute ok palm; do
    train hand1000 --alone --recipe gestures --gesture $gesture &
done
train sd_ft --alone --recipe gestures &
wait
train sesahand controlnet-depth handbooster attentionhand foundhand ship --alone --recipe branches
train hand1000 sd_ft ship --alone --recipe gestures
python -m engine.fetch embedded --hash
