"""Known voices where transcribers read them: in Redis, for a day after the newest job or session that may name them."""

from stt_gateway.store.voices import VoiceStore
from stt_shared.contracts.speakers import KnownVoice
from stt_shared.streams.jobs import JobStreams

_ATTEMPTS = 5


async def publish_known_voices(voices: VoiceStore, jobs: JobStreams, tenant: str) -> None:
    """Write the tenant's known voices to Redis as they are in the store, and only them.

    Read again after the write: another gateway may have deleted a voice in between, which must not come back.
    """
    speakers = await voices.all_of(tenant)
    for _ in range(_ATTEMPTS):
        written = [KnownVoice(speaker.name, speaker.voice, speaker.created_ms) for speaker in speakers]
        await jobs.set_known_voices(tenant, written)
        before, speakers = speakers, await voices.all_of(tenant)
        if speakers == before:
            return
    await jobs.set_known_voices(tenant, [])
