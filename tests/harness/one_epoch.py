"""One epoch of several children on Keras's backend: python one_epoch.py OUTPUT.npz MODEL.keras

Nothing is random that differs between backends: the weights are drawn by NumPy, dropout masks are
keyed draws, no image is cropped or flipped, and the images lie so that each backend's own order
takes them from the first to the last. Where KERAS_BACKEND is jax, TensorFlow cannot be imported.
The ConvNet that an epoch has trained is saved.
"""

import dataclasses
import sys

import keras
import numpy as np

from nas_with_rl.child_models.convnets import training as convnets
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import (
    ImageDataConfig,
    Images,
    LabelledImages,
    load_images,
)
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.language_models import training as language_models
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

SEED = 3
BATCH_SIZE = 16
NUM_TRAIN = 10 * BATCH_SIZE + 5
CONVNET = ConvNet(  # a layer of every kind
    (
        ConvolutionalLayer(3, 3, 8, (), 1, 2),
        LocalContrastNormalizationLayer(3, (1,)),
        PoolingLayer("average_pooling", 2, 1, (1, 2)),
        BatchNormalizationLayer((2,)),
        ConvolutionalLayer(3, 5, 8, (3, 4)),
        PoolingLayer("max_pooling", 3, 2, (5,)),
    ),
    pool_after=(2,),
)
SMALL = LanguageModelTraining(units=8, batch_size=4, num_steps=5, init_scale=0.3)
LANGUAGE_MODELS = {
    # The first has its gradients clipped in every segment, the second in none.
    "nas_cell": {
        "tie_embeddings": True,
        "clip_norm": 0.2,
        "weight_decay": 1e-3,
        "dropout": Dropout("variational", embedding=0.1, input=0.2, recurrent=0.3, output=0.4),
    },
    "gru": {
        "embedding_units": 6,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "dropout": Dropout("zaremba", input=0.2, output=0.4),
    },
}


def main(output: str, saved: str) -> None:
    child, measured = train_convnet()
    arrays = named("convnet", child, measured)
    child.model.save(saved)
    for name, settings in LANGUAGE_MODELS.items():
        published = PUBLISHED.get(name)
        cell = cell_of(published.architecture) if published else name
        child, measured = train_language_model(cell, dataclasses.replace(SMALL, **settings))
        arrays |= named(name, child, measured)
    np.savez(output, **arrays)


def named(name, child, measured) -> dict[str, np.ndarray]:
    """Return what was measured and all variables, but for the count of the updates."""
    arrays = dict(zip(("train", "validation", "test"), measured, strict=True))
    for number, variable in enumerate(child.variables()):
        if variable.dtype == "float32":
            arrays[f"{number:02} {variable.path}"] = keras.ops.convert_to_numpy(variable)
    return {f"{name}: {key}": np.asarray(array) for key, array in arrays.items()}


def train_convnet():
    data = load_images(ImageDataConfig("digits", NUM_TRAIN, 70), data_dir=None, seed=0)
    first_to_last = np.argsort(order_of_the_first_epoch())
    train = LabelledImages(data.train.images[first_to_last], data.train.labels[first_to_last])
    images = Images(train, data.validation, data.num_classes)
    config = ImageTraining(batch_size=BATCH_SIZE, weight_decay=0.01, upsampled_size=0, flip=False)
    model = convnets.new_convnet(CONVNET, images, config, seed=SEED)
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape) * 0.2)
    child = convnets.in_training(model, images, config, seed=SEED)
    return child, (child.train_epoch(1), child.validate(), child.test(data.validation))


def order_of_the_first_epoch() -> np.ndarray:
    if keras.backend.backend() == "jax":
        from nas_with_rl.child_models.convnets.jax_epochs import epoch_order

        return epoch_order(NUM_TRAIN, SEED, 1)
    import tensorflow as tf

    seed = tf.constant(np.random.SeedSequence(SEED).generate_state(2).view(np.int32))
    key = tf.random.experimental.stateless_fold_in(seed, 1)
    return tf.random.experimental.stateless_shuffle(tf.range(NUM_TRAIN), key).numpy()


def train_language_model(cell, config: LanguageModelTraining):
    generator = np.random.default_rng(1)
    train, validation, test = (
        generator.integers(0, 30, size, dtype=np.int32) for size in (170, 83, 38)
    )
    corpus = Corpus(train, validation, tuple(map(str, range(30))), ())
    child = language_models.begin_training(cell, corpus, config, seed=SEED)
    return child, (child.train_epoch(1), child.validate(), child.test(test))


if __name__ == "__main__":
    main(*sys.argv[1:])
