"""`python -m engage_sync.sandbox`: the sandbox without the rest of the product."""

from engage_sync.sandbox.command import sandbox_command

if __name__ == "__main__":
    sandbox_command(prog_name="engage-sync sandbox")
