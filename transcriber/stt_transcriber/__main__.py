"""Entry point of ``python -m stt_transcriber``."""

from stt_shared.process.extras import naming_missing_packages

with naming_missing_packages("transcriber"):
    from stt_shared.contracts.services import ServiceName
    from stt_shared.process.logging import set_up_logging
    from stt_shared.process.settings import load_settings
    from stt_shared.process.tracing import set_up_tracing
    from stt_shared.work.service import run_process
    from stt_transcriber.app import run
    from stt_transcriber.engines.base import EngineError
    from stt_transcriber.models.store import ModelError
    from stt_transcriber.settings import TranscriberSettings


def main() -> None:
    """Run the service; exit with 0 after a signal, 1 when Redis or the model is unusable, 2 for an invalid setting."""
    settings = load_settings(TranscriberSettings)
    set_up_logging(ServiceName.TRANSCRIBER, settings.log_level)
    set_up_tracing(ServiceName.TRANSCRIBER)
    run_process(run(settings), fatal=(EngineError, ModelError))


if __name__ == "__main__":
    main()
