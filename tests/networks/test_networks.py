"""Shapes for every size, gradients, and the pretrained backbone."""

from __future__ import annotations

import pytest
import torch

from gantools.errors import ConfigError
from gantools.networks import backbone
from gantools.networks.backbone import EfficientNetLite0
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from gantools.networks.minibatch import MinibatchDeviation, MinibatchDiscrimination
from gantools.networks.mlp import MlpDiscriminator, MlpGenerator
from gantools.networks.patch import PatchDiscriminator, TextureDiscriminator
from gantools.networks.projected import FeatureDiscriminator
from gantools.networks.residual import ResidualDiscriminator, ResidualGenerator
from gantools.networks.whole import WholeDiscriminator

SIZES = [(8, 8), (9, 13), (28, 28), (33, 20), (64, 64), (100, 100), (256, 256)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("generator", "discriminator"),
    [(DcganGenerator, DcganDiscriminator), (ResidualGenerator, ResidualDiscriminator)],
)
def test_any_size_and_channels(size: tuple[int, int], channels: int, generator: type, discriminator: type) -> None:
    shape = (channels, *size)
    fakes = generator(shape, latent=6, width=4)(torch.randn(2, 6))
    assert fakes.shape == (2, *shape)
    assert fakes.abs().max() <= 1
    d = discriminator(shape, width=4)
    logits = d(fakes)
    assert logits.shape == (2,)
    logits.sum().backward()
    assert len(d.features(fakes)) >= 1


def test_too_small_is_said() -> None:
    with pytest.raises(ConfigError, match="at least 8"):
        DcganGenerator((1, 7, 20))


def test_batch_norm_only_when_asked() -> None:
    def norms(batch_norm: bool) -> int:
        modules = DcganDiscriminator((1, 32, 32), batch_norm=batch_norm).modules()
        return sum(isinstance(m, torch.nn.BatchNorm2d) for m in modules)

    assert (norms(False), norms(True)) == (0, 2)


def test_vector_players() -> None:
    vectors = MlpGenerator(7, latent=3)(torch.randn(5, 3))
    assert vectors.shape == (5, 7)
    assert MlpDiscriminator(7)(vectors).shape == (5,)


@pytest.mark.parametrize("size", [(32, 32), (61, 45), (128, 96)])
def test_dense_logits(size: tuple[int, int]) -> None:
    logits = PatchDiscriminator(3, 8)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 1, -(-size[0] // 4), -(-size[1] // 4))
    assert FeatureDiscriminator(5, 8)(torch.randn(2, 5, 9, 9)).shape == (2, 1, 9, 9)


@pytest.mark.parametrize(("kind", "seen"), [(PatchDiscriminator, 50), (TextureDiscriminator, 34)])
def test_a_logit_sees_as_many_pixels_as_it_is_said_to(kind: type[torch.nn.Module], seen: int) -> None:
    discriminator, pictures = kind(1, 2), torch.rand(1, 1, 128, 128, requires_grad=True)
    for weights in discriminator.parameters():  # none is zero, so that every path counts
        torch.nn.init.constant_(weights, 0.1)
    discriminator(pictures)[0, 0, 16, 16].backward()
    assert pictures.grad is not None
    assert tuple((pictures.grad[0, 0].any(axis).sum().item()) for axis in (0, 1)) == (seen, seen)


def test_a_samples_logit_does_not_depend_on_its_neighbours() -> None:
    d, x = WholeDiscriminator(1, 10, 8).eval(), torch.randn(6, 1, 28, 28)
    torch.testing.assert_close(d(x)[:2], d(x[:2]), rtol=1e-5, atol=1e-6)
    assert d.transformation_logits(x).shape == (6, 10)


def test_backbone_knows_pictures() -> None:
    """Frozen features tell a cat from bricks: two crops of one picture are nearer than crops of two."""
    import skimage.data

    def crops(picture: object) -> torch.Tensor:
        x = torch.as_tensor(picture).float().div(255)
        x = x.expand(3, -1, -1) if x.ndim == 2 else x.permute(2, 0, 1)
        return torch.stack([x[:, :160, :160], x[:, 60:220, 100:260]])

    backbone = EfficientNetLite0((4, 10, 15))
    assert backbone.channels == (40, 112, 320)
    with torch.no_grad():
        cat, wall = (backbone(crops(p))[2].mean((2, 3)) for p in (skimage.data.chelsea(), skimage.data.brick()))
    within = torch.stack([(cat[0] - cat[1]).norm(), (wall[0] - wall[1]).norm()])
    assert torch.cdist(cat, wall).min() > 1.2 * within.max()


def test_backbone_takes_gray_and_stays_frozen() -> None:
    backbone = EfficientNetLite0((0,)).train()
    assert not backbone.training
    assert not any(p.requires_grad for p in backbone.parameters())
    gray = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(backbone(gray)[0], backbone(gray.expand(-1, 3, -1, -1))[0])
    with pytest.raises(ConfigError, match="0 to 15"):
        EfficientNetLite0((16,))


def test_minibatch_deviation_by_hand() -> None:
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    seen = MinibatchDeviation()(x)
    torch.testing.assert_close(seen, torch.cat([x, torch.full((2, 1), (1.0 + 2.0) / 2)], 1))


def test_minibatch_discrimination_by_hand() -> None:
    layer = MinibatchDiscrimination(3, kernels=2, dimensions=4)
    x = torch.randn(5, 3)
    m = (x @ layer.project.weight.T).view(5, 2, 4)
    for i in range(5):
        for b in range(2):
            near = sum(torch.exp(-(m[i, b] - m[j, b]).abs().sum()) for j in range(5) if j != i)
            torch.testing.assert_close(layer(x)[i, 3 + b], near)


@pytest.mark.parametrize("minibatch", ["deviation", "discrimination"])
def test_the_discriminator_sees_that_a_batch_is_all_alike(minibatch: str) -> None:
    d = DcganDiscriminator((1, 16, 16), 8, minibatch=minibatch)
    one = torch.randn(1, 1, 16, 16)
    alike, apart = one.expand(8, -1, -1, -1), torch.cat([one, torch.randn(7, 1, 16, 16)])
    assert d(alike)[0] != d(apart)[0]
    plain = DcganDiscriminator((1, 16, 16), 8)
    torch.testing.assert_close(plain(alike)[0], plain(apart)[0])


def test_unknown_minibatch_is_refused() -> None:
    with pytest.raises(ConfigError, match="deviation"):
        DcganDiscriminator((1, 16, 16), 8, minibatch="std")


def test_the_backbone_has_its_weights_though_it_is_first_built_within_a_network_on_the_meta_device() -> None:
    backbone._built.cache_clear()
    backbone._folded_weights.cache_clear()
    with torch.device("meta"):
        backbone.load_backbone((4,))
    assert next(backbone.load_backbone((4,)).parameters()).device.type == "cpu"
    maps = backbone.load_backbone((4,))(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert maps[0].std() > 0
