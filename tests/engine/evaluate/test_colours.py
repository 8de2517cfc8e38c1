import numpy as np
import pytest

from engine.evaluate.colours import WINDOWS, hex_palette, nearest_colour, oklab, region

PALETTE = hex_palette({"red": "#b81c22", "blue": "#2450b0", "white": "#e9e9e6", "black": "#1a1a1d"})


def test_oklab_of_known_colours():
    """The published values of white, and of pure red and blue."""
    np.testing.assert_allclose(oklab([255, 255, 255]), [1, 0, 0], atol=1e-4)
    np.testing.assert_allclose(oklab([255, 0, 0]), [0.628, 0.225, 0.126], atol=1e-3)
    np.testing.assert_allclose(oklab([0, 0, 255]), [0.452, -0.032, -0.312], atol=1e-3)


@pytest.mark.parametrize("light", [0.75, 1.0, 1.15])
@pytest.mark.parametrize("name", list(PALETTE))
def test_names_survive_the_light(name, light):
    pixels = np.clip(np.array(PALETTE[name]) * light, 0, 255)[None].repeat(10, 0)
    assert nearest_colour(pixels, PALETTE) == name


def test_most_pixels_decide():
    pixels = np.array([PALETTE["red"]] * 6 + [PALETTE["blue"]] * 4)
    assert nearest_colour(pixels, PALETTE) == "red"


def test_regions_of_a_portrait():
    """Red shirt below, blue wall at the top's sides, a hand that is left out; not square."""
    image = np.zeros((100, 60, 3), np.uint8)
    image[:60] = PALETTE["blue"]
    image[60:] = PALETTE["red"]
    image[70:, 15:40] = PALETTE["white"]  # covers most of the window
    hand = (15.0, 70.0, 40.0, 100.0)
    assert nearest_colour(region(image, WINDOWS["wall"]), PALETTE) == "blue"
    assert nearest_colour(region(image, WINDOWS["shirt"]), PALETTE) == "white"
    assert nearest_colour(region(image, WINDOWS["shirt"], [hand]), PALETTE) == "red"
    everything = (-5.0, -5.0, 90.0, 120.0)
    assert len(region(image, WINDOWS["shirt"], [everything])) == 35 * 24  # nothing left: the whole window
