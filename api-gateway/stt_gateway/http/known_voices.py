"""Known voices where transcribers read them: in Redis, for a day after the newest job that may name them."""

from stt_gateway.context import GatewayContext
from stt_shared.contracts.speakers import KnownVoice

_ATTEMPTS = 5


async def publish_known_voices(context: GatewayContext, tenant: str) -> None:
    """Write the tenant's known voices to Redis as they are in the store, and only them.

    Read again after the write: another gateway may have deleted a voice in between, which must not come back.
    """
    speakers = await context.voices.all_of(tenant)
    for _ in range(_ATTEMPTS):
        written = [KnownVoice(speaker.name, speaker.voice) for speaker in speakers]
        await context.bus.jobs.set_known_voices(tenant, written)
        before, speakers = speakers, await context.voices.all_of(tenant)
        if speakers == before:
            return
    await context.bus.jobs.set_known_voices(tenant, [])
