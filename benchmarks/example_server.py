"""The server of SkyPilot's example "Building a million-scale image vector database", rebuilt.

Its behaviour is kept: one FastAPI application whose async handler calls the model and Chroma
directly, encodes all 77 tokens of every text, and stores thumbnails as base64 in Chroma's metadata,
which come with every result. See examples/vector_database/scripts/serve_vectordb.py in
https://github.com/skypilot-org/skypilot; `benchmarks.serve_ratio` fills and starts it.
"""

from __future__ import annotations

import argparse

import chromadb
import open_clip
import torch
import uvicorn
from chromadb.config import Settings
from fastapi import FastAPI
from pydantic import BaseModel


class Query(BaseModel):
    """Request body."""

    text: str
    n_results: int = 5


class Result(BaseModel):
    """One row of the response."""

    image_base64: str
    similarity: float


def application(arch: str, weights: str, folder: str) -> FastAPI:
    """Return the application over the collection ``clip_embeddings`` in ``folder``."""
    model = open_clip.create_model(arch, pretrained=weights).eval()
    tokenizer = open_clip.get_tokenizer(arch)
    client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
    collection = client.get_collection("clip_embeddings", embedding_function=None)
    app = FastAPI()

    def encoded(text: str) -> list[list[float]]:
        with torch.no_grad():
            features = model.encode_text(tokenizer([text]))
            features /= features.norm(dim=-1, keepdim=True)
        rows: list[list[float]] = features.numpy().tolist()
        return rows

    @app.post("/search")
    async def search(query: Query) -> list[Result]:
        found = collection.query(
            query_embeddings=encoded(query.text),
            n_results=query.n_results,
            include=["metadatas", "distances"],
        )
        pairs = zip(found["metadatas"][0], found["distances"][0], strict=True)
        return [Result(image_base64=m["image_base64"], similarity=1 - d / 2) for m, d in pairs]

    @app.get("/health")
    async def health() -> dict[str, str | int]:
        return {"status": "healthy", "collection_size": collection.count()}

    return app


def main() -> None:
    """Serve on 127.0.0.1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    app = application(args.arch, args.weights, args.folder)
    uvicorn.run(app, port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
