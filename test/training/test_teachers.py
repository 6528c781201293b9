"""Teachers of the real classes, tiny and random, through the real path: saved, loaded, asked."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.distillation import DistillationConfig
from distillmatch_ros.training.teachers import CachedTeacher, FoundationModel, Teacher, open_teacher

transformers = pytest.importorskip("transformers")

VIEW, GRID = (64, 96), (4, 6)
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 56}
STAGES = {"hidden_sizes": [8, 8, 16, 32], "depths": [1, 1, 1, 1]}
# Model type, what makes it tiny, and the size it must see a 64x96 view at.
MODELS: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "DINOv2": ("dinov2", SMALL | {"patch_size": 14}, (56, 84)),
    "DINOv2 with registers": ("dinov2_with_registers", SMALL | {"patch_size": 14}, (56, 84)),
    "DINOv3 ViT": ("dinov3_vit", SMALL | {"intermediate_size": 64, "num_register_tokens": 4}, (64, 96)),
    "DINOv3 ConvNeXt": ("dinov3_convnext", STAGES, (128, 192)),
    "ViT of another patch": ("vit", SMALL | {"intermediate_size": 64, "patch_size": 8}, (32, 48)),
    "ResNet": ("resnet", STAGES | {"embedding_size": 8}, (128, 192)),
}


def save(folder: Path, kind: str, **values: Any) -> Path:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **values)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def teacher(name: object, view: tuple[int, int] = VIEW, cache: Path | None = None) -> Teacher:
    config = DistillationConfig(str(name), mse=1.0, gram=1.0, kl=1.0, cache=cache)
    return open_teacher(config, view, torch.device("cpu"))


@pytest.fixture
def dinov2(tmp_path: Path) -> Path:
    kind, values, _ = MODELS["DINOv2 with registers"]
    return save(tmp_path / "dinov2", kind, **values)


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, *VIEW, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_tokens_land_on_the_students_grid(tmp_path: Path, name: str) -> None:
    kind, values, size = MODELS[name]
    loaded = teacher(save(tmp_path / "model", kind, **values))
    assert isinstance(loaded, FoundationModel)
    assert loaded.size == size
    features = loaded(images())
    assert features.shape == (2, loaded.width, *GRID) == (2, 32, *GRID)
    assert features.dtype == torch.bfloat16
    assert features.isfinite().all()


def test_a_teacher_is_frozen(dinov2: Path) -> None:
    loaded = teacher(dinov2)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded(images().requires_grad_()).requires_grad


def test_what_a_token_says_is_what_the_model_says_there(dinov2: Path) -> None:
    """Against the model asked directly, in float32: registers dropped, rows before columns."""
    model = transformers.AutoModel.from_pretrained(dinov2).eval()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    small = torch.nn.functional.interpolate(images(), (56, 84), mode="bilinear", antialias=True)
    with torch.no_grad():
        seen = (small - mean[:, None, None]) / deviation[:, None, None]
        tokens = model(pixel_values=seen).last_hidden_state
    expected = tokens[:, 5:].unflatten(1, GRID).permute(0, 3, 1, 2)
    assert tokens.shape[1] == 5 + GRID[0] * GRID[1]  # a class, four registers, the patches
    cosine = torch.cosine_similarity(teacher(dinov2)(images()).float(), expected)
    assert cosine.min() > 0.99
    assert torch.cosine_similarity(expected.flip(3), expected).mean() < 0.9


def test_a_middle_layer_teaches_what_it_says_itself(tmp_path: Path) -> None:
    folder = save(tmp_path / "deep", "dinov2", **SMALL | {"patch_size": 14, "num_hidden_layers": 3})
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.bfloat16).eval()
    loaded = open_teacher(DistillationConfig(str(folder), 1.0, 1.0, 1.0, layer=2), VIEW, torch.device("cpu"))
    assert isinstance(loaded, FoundationModel)
    seen = torch.nn.functional.interpolate(images(), loaded.size, mode="bilinear", antialias=True)
    with torch.no_grad():
        hidden = model(
            pixel_values=((seen - loaded.mean) / loaded.deviation).bfloat16(), output_hidden_states=True
        ).hidden_states
    features = loaded(images()).flatten(2).transpose(1, 2)
    assert torch.equal(features, hidden[2][:, 1:])
    assert not torch.allclose(features, hidden[3][:, 1:])
    with pytest.raises(DistillMatchError, match=r"deep: has 3 layers, distillation\.layer is 4"):
        open_teacher(DistillationConfig(str(folder), 1.0, 1.0, 1.0, layer=4), VIEW, torch.device("cpu"))


def test_a_model_brings_its_own_normalisation(dinov2: Path) -> None:
    before = teacher(dinov2)(images())
    (dinov2 / "preprocessor_config.json").write_text(
        '{"image_mean": [0.9, 0.9, 0.9], "image_std": [1, 1, 1]}'
    )
    loaded = teacher(dinov2)
    assert isinstance(loaded, FoundationModel)
    assert loaded.mean.flatten().tolist() == pytest.approx([0.9] * 3)
    assert not torch.allclose(loaded(images()), before)


def test_a_larger_network_of_our_own_teaches(tmp_path: Path, tiny_config: ModelConfig) -> None:
    network = DistillMatch(tiny_config).eval()
    path = tmp_path / "own.pt"
    Weights(tiny_config, network.state_dict(), 1).save(path)
    loaded = teacher(path)
    assert loaded.width == tiny_config.semantic_width
    features = loaded(images())
    with torch.no_grad():
        expected = network.describe(*images().split(1)).semantic
    assert features.shape == expected.shape
    assert torch.cosine_similarity(features.float(), expected).min() > 0.99


def test_a_view_that_a_network_of_our_own_cannot_see_is_named(
    tmp_path: Path, tiny_config: ModelConfig
) -> None:
    path = tmp_path / "own.pt"
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(path)
    with pytest.raises(DistillMatchError, match=r"own\.pt: takes images up to 96x64"):
        teacher(path, view=(128, 96))


def test_the_cache_answers_for_what_was_seen(dinov2: Path, tmp_path: Path) -> None:
    plain, cached = teacher(dinov2), teacher(dinov2, cache=tmp_path / "cache")
    assert isinstance(cached, CachedTeacher)
    asked: list[int] = []
    cached.teacher.register_forward_hook(lambda _module, seen, _out: asked.append(len(seen[0])))
    torch.testing.assert_close(cached(images(3)), plain(images(3)), rtol=0.05, atol=0.05)
    first = cached(images(3))
    assert asked == [3]
    more = torch.cat([images(3), images(1).flip(3)])
    assert torch.equal(cached(more)[:3], first)
    assert asked == [3, 1]
    again = teacher(dinov2, cache=tmp_path / "cache")
    assert torch.equal(again(more), cached(more))


def test_the_cache_keeps_teachers_apart_and_heals(dinov2: Path, tmp_path: Path) -> None:
    kind, values, _ = MODELS["DINOv2"]
    other = save(tmp_path / "other", kind, **values)
    cache = tmp_path / "cache"
    features = teacher(dinov2, cache=cache)(images())
    assert not torch.allclose(teacher(other, cache=cache)(images()), features)
    for path in cache.rglob("*.pt"):
        path.write_bytes(b"cut off")
    assert torch.equal(teacher(dinov2, cache=cache)(images()), features)


def test_what_cannot_teach_is_named(dinov2: Path, tmp_path: Path) -> None:
    words = save(tmp_path / "words", "bert", **SMALL | {"intermediate_size": 64, "vocab_size": 50})
    with pytest.raises(DistillMatchError, match="words: is no vision model"):
        teacher(words)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DistillMatchError, match=r"empty: cannot be loaded .*config\.json"):
        teacher(empty)
    with pytest.raises(DistillMatchError, match=r"\.\./nowhere: cannot be loaded"):
        teacher("../nowhere")
    (dinov2 / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(DistillMatchError, match="dinov2: cannot be loaded"):
        teacher(dinov2)


def test_weights_of_another_model_do_not_teach_at_random(dinov2: Path) -> None:
    """Missing weights are drawn at random by transformers, with a warning."""
    deeper = save(
        dinov2.parent / "deeper",
        "dinov2_with_registers",
        **{**SMALL, "patch_size": 14, "num_hidden_layers": 2},
    )
    (dinov2 / "model.safetensors").replace(deeper / "model.safetensors")
    with pytest.raises(DistillMatchError, match=r"lacks \d+ of its weights.*download it again"):
        teacher(deeper)


def ask_hub(*names: str, **environment: str) -> list[str]:
    """What one is told about hub ids, in a process of its own: the library reads its environment once."""
    program = (
        "import sys, torch\n"
        "from distillmatch_ros.base.errors import DistillMatchError\n"
        "from distillmatch_ros.training.hub import load_model\n"
        "for name in sys.argv[1:]:\n"
        "    try: load_model(name, torch.bfloat16)\n"
        "    except DistillMatchError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, *names],
        env={**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    return told.stdout.splitlines()


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a hub that rejects every model, as the real one does: gated ones, and unknown ones."""

    class Reject(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            gated = "gated" in self.path
            self.send_response(403 if gated else 404)
            self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 (http.server's names)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Reject)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.slow
def test_a_model_that_the_hub_rejects_names_the_step_that_gets_it(hub: str, tmp_path: Path) -> None:
    gated, unknown = ask_hub("some/gated", "some/typo", HF_ENDPOINT=hub, HF_HOME=str(tmp_path))
    assert gated.startswith("some/gated: is given out under a licence that must be accepted first")
    assert "hf auth login" in gated
    assert unknown.startswith("some/typo: is neither a folder nor on the hub")


@pytest.mark.slow
def test_without_a_network_the_command_is_named(tmp_path: Path) -> None:
    (told,) = ask_hub("some/model", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "the hub cannot be reached: hf download some/model --local-dir FOLDER" in told
