"""Operations: published facts about running models and retrieval, with their sources."""

from __future__ import annotations

from advisor.units import Record

Range = tuple[float, float, float]


class IdleRule(Record):
    """When one seller stops an idle machine."""

    idle_seconds: float
    """Shortest idle time after which a machine can be stopped; it is billed [s]."""
    cold_start_seconds: Range | None = None
    """From the request to the first answer, if it is known for this seller [s]."""
    source: str
    """Source."""


class ScaleToZero(Record):
    """Machines that are stopped when idle, and started by the next request."""

    cold_start_seconds: Range
    """From the request to the first answer of a language model; billed [s]."""
    encoder_cold_start_seconds: Range
    """The same for a small encoder on a CPU or GPU [s]."""
    idle_seconds: float
    """Idle time after which a machine is stopped, for sellers that are not listed [s]."""
    sellers: dict[str, IdleRule]
    """By provider."""
    basis: str
    """Basis of the ranges."""
    source: str
    """Source."""

    def idle_of(self, provider: str) -> float:
        """Return the billed seconds between the last request and the stop."""
        seller = self.sellers.get(provider)
        return seller.idle_seconds if seller else self.idle_seconds

    def cold_start_of(self, provider: str) -> Range:
        """Return the seconds until a stopped machine of a provider answers."""
        seller = self.sellers.get(provider)
        return (seller and seller.cold_start_seconds) or self.cold_start_seconds


class ServerlessCpu(Record):
    """One instance of serverless CPU that classifies one text at a time."""

    vcpus: float
    """vCPUs."""
    memory_gib: float
    """Memory [GiB]."""
    least_seconds: float
    """Shortest time that is billed per request [s]."""
    idle_seconds: float
    """Time after which an idle instance is removed; it is not billed [s]."""
    basis: str
    """Basis of the sizes."""
    source: str
    """Source."""


class SharedAdapters(Record):
    """Many adapters on one copy of their base."""

    per_copy: float
    """Adapters that one copy of the base serves."""
    speed_share: Range
    """Speed with unmerged adapters over the speed of the base."""
    basis: str
    """Basis of the ranges."""
    source: str
    """Source."""


class SpotInterruptions(Record):
    """GPUs that can be taken away at short notice."""

    repeated_share: Range
    """Work that is repeated after interruptions, as a share of the hours."""
    basis: str
    """Basis of the range."""
    source: str
    """Source."""


class UpkeepHours(Record):
    """Hours of work per month to operate something yourself."""

    gpus: Range
    """A language model on GPUs that are rented or owned."""
    endpoint: Range
    """A tuned model on an endpoint that a provider operates."""
    cpus: Range
    """An encoder or classifier."""
    vector_store: Range
    """A vector store on a machine of your own."""
    basis: str
    """Basis of the estimate."""


class RetuningHours(Record):
    """Hours of work of another tuning."""

    share: Range
    """Of the hours of the first one."""
    basis: str
    """Basis of the estimate."""


class JudgedAnswer(Record):
    """Tokens of a judge model per answer, besides question and answer."""

    instruction_tokens: Range
    """Instructions and reference answer."""
    verdict_tokens: Range
    """Verdict, with its reason."""
    basis: str
    """Basis of the estimate."""


class VectorStore(Record):
    """What a managed vector store bills."""

    name: str
    """Display name."""
    bytes_per_dimension: float = 4.0
    """Bytes of each dimension of a vector."""
    read_unit_gb: float = 1.0
    """Size of the index that one query reads for one unit [GB]."""
    least_read_units: float = 1.0
    """Least units of a query."""
    write_unit_bytes: float = 1000.0
    """Size of the record that one unit writes [bytes]."""
    least_write_units: float = 1.0
    """Least units of a write."""
    most_gb: float | None = None
    """Largest index of the plan [GB]; empty without a limit."""
    most_reads: float | None = None
    """Most read units of the plan per month; empty without a limit."""
    most_writes: float | None = None
    """Most write units of the plan per month; empty without a limit."""
    source: str
    """Source."""


class OwnVectorStore(Record):
    """A vector store on a machine of your own: pgvector, Qdrant, LanceDB."""

    memory_factor: float
    """Memory over the bytes of the vectors."""
    usable_memory_share: float
    """Share of the memory of a machine that vectors can take."""
    most_vectors: float
    """Above this, a managed store is used if one is allowed."""
    dimensions: float
    """Dimensions of a small open embedding model."""
    basis: str
    """Basis of the numbers."""
    source: str
    """Source."""


class VectorSearch(Record):
    """Facts about embeddings and vector stores."""

    bytes_per_token: float
    """Bytes of the text that is stored with a vector, per token."""
    reranked_per_chunk: float
    """Chunks that are reranked for each chunk that is kept."""
    dimensions: dict[str, float]
    """Dimensions of each embedding model, as provider/model."""
    assumed_dimensions: float
    """Dimensions of models that are not listed."""
    stores: dict[str, VectorStore]
    """Managed stores by provider/product."""
    own_store: OwnVectorStore
    """A store of your own."""
    basis: str
    """Basis of the assumptions."""
    source: str
    """Source."""


class Operations(Record):
    """What running a model or a vector store takes, besides its prices."""

    scale_to_zero: ScaleToZero
    """Machines that are stopped when idle."""
    serverless_cpu: ServerlessCpu
    """An instance of serverless CPU."""
    shared_adapters: SharedAdapters
    """Many adapters on one base."""
    spot: SpotInterruptions
    """GPUs that can be taken away."""
    vector_search: VectorSearch
    """Embeddings and vector stores."""
    upkeep_hours: UpkeepHours
    """Work to operate something yourself."""
    retuning_hours: RetuningHours
    """Work of another tuning."""
    judged_answer: JudgedAnswer
    """Tokens of a judge model."""
