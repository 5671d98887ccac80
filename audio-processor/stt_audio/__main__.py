"""Entry point of `stt-audio-processor`, with settings from the environment."""

from stt_shared.process.extras import naming_missing_packages

with naming_missing_packages("audio"):
    from stt_audio.app import run
    from stt_audio.settings import AudioSettings
    from stt_shared.contracts.services import ServiceName
    from stt_shared.process.logging import set_up_logging
    from stt_shared.process.settings import load_settings
    from stt_shared.process.tracing import set_up_tracing
    from stt_shared.work.service import run_process


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with 1 when Redis is unreachable or the spool folder cannot be created."""
    settings = load_settings(AudioSettings)
    set_up_logging(ServiceName.AUDIO_PROCESSOR, settings.log_level)
    set_up_tracing(ServiceName.AUDIO_PROCESSOR)
    run_process(run(settings), fatal=(OSError,))


if __name__ == "__main__":
    main()
