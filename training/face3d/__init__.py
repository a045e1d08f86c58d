"""Builds `live/assets/face_model.npz`; see `python -m training.face3d --help`."""
