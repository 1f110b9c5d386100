"""`python -m jepakit`, for torchrun and for environments without the script."""

from jepakit.cli import main

if __name__ == "__main__":
    main()
