"""`mljobs demo`: real manifests on a real control plane, from apply to their ends, in less than a minute."""


def demo() -> None:
    """Show jobs from `kubectl apply` to their ends, on an embedded control plane and both emulated services.

    On `ml` v1 one is tuned, one predicts, one fails, and one is deleted while it runs; on Vertex AI the same
    search runs, and a job that asks for what only that service has. Exits with 0 if all of them came
    to the end they should. Nothing outside this machine is touched, and nothing is left behind.
    """
    from mljobs_dev.demo.judge import DemoError
    from mljobs_dev.demo.show import Show
    from mljobs_dev.stack.command import run_command

    run_command("demo", Show().run, stopped=130, failures=(DemoError,))
