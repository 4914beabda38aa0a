"""Old names of options, and the new ones: an old name is refused in one line with the new one."""

from __future__ import annotations

RENAMED = {
    # embed
    "workers": "decode_threads",
    "dataset.json_caption": "dataset.caption",
    "tracking.every": "tracking.log_interval_s",
    "launcher.name": "launcher.kind",
    "launcher.workers": "launcher.processes",
    # recall
    "contestants": "systems",
    "measure.ks": "measure.recall_at",
    "measure.batch": "measure.batch_size",
    "measure.clients": "measure.concurrency",
    "measure.seconds": "measure.time_budget_s",
    "measure.filtered_queries": "measure.max_filtered_queries",
    "queries.prompts": "queries.text_file",
    "report": "report_dir",
    "work": "work_dir",
    # serve
    "max_batch": "max_batch_size",
    "max_requests": "max_concurrency",
    "max_rate": "max_queries_per_minute",
    "max_upload": "max_body_bytes",
    # deploy
    "service.target_qps": "service.target_qps_per_replica",
    "service.upscale_delay": "service.upscale_delay_seconds",
    "service.downscale_delay": "service.downscale_delay_seconds",
    "service.probe_delay": "service.initial_delay_seconds",
    "service.probe_timeout": "service.probe_timeout_seconds",
}
"""Options, sections and groups; what lies below a section moves with it."""


def new_name(key: str) -> str | None:
    """Return what an option is called now, such as ``systems.hnsw.kind``; None: never renamed."""
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        new = RENAMED.get(".".join(parts[:end]))
        if new:
            return ".".join([new, *parts[end:]])
    return None
