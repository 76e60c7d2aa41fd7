"""The last sample of each sensor, which the sampler writes and sensors of kind `derived` read."""

from .sample import Sample


class LatestSamples:
    """Table of the last sample of each sensor.

    Its methods can be called from any thread and never wait, because each is a single operation on a
    dictionary.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}

    def note(self, sample: Sample) -> None:
        """Store a sample as the last sample of its sensor."""
        self._samples[sample.sensor] = sample

    def of(self, sensor: str) -> Sample | None:
        """Return the last sample of a sensor; None if there has been none since the start."""
        return self._samples.get(sensor)
