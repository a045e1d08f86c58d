"""PIRenderer as published (Ren et al., ICCV 2021): weight-compatible mapping, warping and editing networks.

The modules below need torch (`pip install live-avatar[gpu]`); nothing here is imported by the CPU path.
"""
