"""What an engine hears of a request, as a test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Heard:
    """A ``Sound``. ``elsewhere``: shares of other audio; ``parts``: of stretches, in order."""

    here: Mapping[str, float]
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    parts: list[Mapping[str, float]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def whole(self) -> Mapping[str, float]:
        self.asked.append("whole")
        return self.here

    def stretch(self, begin: int, end: int) -> Mapping[str, float]:
        self.asked.append(f"{begin}-{end}")
        return self.parts[len(self.asked) - 1]

    def other(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        self.asked.append(f"{len(samples)} others")
        return self.elsewhere
