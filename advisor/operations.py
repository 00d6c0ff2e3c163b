"""Operations: published facts about running models and retrieval, with their sources."""

from __future__ import annotations

from advisor.units import Record

Range = tuple[float, float, float]


class ScaleToZero(Record):
    """Machines that are stopped when idle, and started by the next request."""

    cold_start_seconds: Range
    """From the request to the first answer of a language model, for sellers without terms of their
    own; billed [s]."""
    encoder_cold_start_seconds: Range
    """The same for a small encoder on a CPU or GPU [s]."""
    idle_seconds: float
    """Idle time after which a machine is stopped, for the same sellers; billed [s]."""
    basis: str
    """Basis of the ranges."""
    source: str
    """Source."""


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


class OwnVectorStore(Record):
    """A vector store on a machine of your own: pgvector, Qdrant, LanceDB."""

    memory_factor: float
    """Memory over the bytes of the vectors."""
    usable_memory_share: float
    """Share of the memory of a machine that vectors can take."""
    most_vectors: float
    """Above this, a managed store is used if one is allowed."""
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
    assumed_dimensions: float
    """Dimensions of an embedding model that does not publish them."""
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
