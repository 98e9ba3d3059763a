"""`python -m lct`: the command line, without an installed script."""


def main() -> None:
    """Hand over to the command line; imported here so that importing this module stays cheap."""
    from lct.cli import app

    app()


if __name__ == "__main__":
    main()
