"""boardsync mirrors folders of pictures to boards on image servers, both ways, exactly once."""

__version__ = "0.1.0"
