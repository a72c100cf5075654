// UpscalerJS's ESRGAN models on the CPU, without a browser.
//
//   GANTOOLS_PEERS=<folder> node upscalerjs.mjs <slim|medium|thick> <scale> <input folder> <output folder>
//
// <folder> holds node_modules (see superres_peers.py for what to install). Each PNG of the input folder is upscaled
// whole, by TensorFlow.js's WebAssembly backend (SIMD, one thread: it uses no more in node), and one JSON line per
// picture gives its name and the seconds of the upscale alone. One small call before the first warms the kernels up.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const WARM_UP_SIDE = 32;

const home = process.env.GANTOOLS_PEERS || join(homedir(), ".cache", "gantools", "peers");
const require = createRequire(join(home, "package.json"));

/** Load a package of `home`, or end with one line that says it is missing. */
function load(name) {
  try {
    return require(name);
  } catch (error) {
    fail(`${name} does not load from ${home}: ${error.message.split("\n")[0]}`);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** A TensorFlow.js IO handler that reads model.json and its shards from disk. */
function fromDisk(file) {
  return {
    load: async () => {
      const model = JSON.parse(readFileSync(file, "utf8"));
      const groups = model.weightsManifest;
      const shards = groups.flatMap((group) => group.paths).map((path) => readFileSync(join(dirname(file), path)));
      return {
        modelTopology: model.modelTopology,
        weightSpecs: groups.flatMap((group) => group.weights),
        weightData: new Uint8Array(Buffer.concat(shards)).buffer,
        format: model.format,
        generatedBy: model.generatedBy,
        convertedBy: model.convertedBy,
      };
    },
  };
}

/** RGB bytes of a PNG (pngjs always gives RGBA). */
function readPng(PNG, file) {
  const { width, height, data } = PNG.sync.read(readFileSync(file));
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return { width, height, rgb };
}

function writePng(PNG, file, { width, height, rgb }) {
  const picture = new PNG({ width, height });
  for (let i = 0; i < width * height; i++) {
    picture.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    picture.data[4 * i + 3] = 255;
  }
  writeFileSync(file, PNG.sync.write(picture, { colorType: 2 }));
}

/** The picture through the model, rounded to bytes. */
async function upscale(tf, model, definition, { width, height, rgb }) {
  const [low, high] = [definition.inputRange[1], definition.outputRange[1]];
  const result = tf.tidy(() => {
    const input = tf.tensor4d(Float32Array.from(rgb), [1, height, width, 3]).mul(low / 255);
    return model.predict(input).mul(255 / high).clipByValue(0, 255).round();
  });
  const [, tall, wide] = result.shape;
  const values = Uint8Array.from(await result.data());
  result.dispose();
  return { width: wide, height: tall, rgb: values };
}

/** Upscale a folder; see the top. */
async function main([size, scale, source, target]) {
  if (!target) fail("usage: node upscalerjs.mjs <slim|medium|thick> <scale> <input folder> <output folder>");

  const tf = load("@tensorflow/tfjs");
  const wasm = load("@tensorflow/tfjs-backend-wasm");
  const { PNG } = load("pngjs");
  const name = `@upscalerjs/esrgan-${size}`;
  const definition = load(name)[`x${scale}`];
  if (!definition) fail(`${name} has no model for x${scale}`);

  tf.env().set("PROD", true);
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + "/");
  if (!(await tf.setBackend("wasm"))) fail("TensorFlow.js could not start its wasm backend");
  await tf.ready();
  if (definition.setup) definition.setup(tf); // registers MultiplyBeta and PixelShuffle
  const folder = join(home, "node_modules", name);
  const model = await tf.loadLayersModel(fromDisk(join(folder, definition._internals.path)));

  mkdirSync(target, { recursive: true });
  const pictures = readdirSync(source).filter((file) => file.endsWith(".png")).sort();
  const blank = new Uint8Array(WARM_UP_SIDE * WARM_UP_SIDE * 3);
  await upscale(tf, model, definition, { width: WARM_UP_SIDE, height: WARM_UP_SIDE, rgb: blank });
  for (const file of pictures) {
    const picture = readPng(PNG, join(source, file));
    const start = performance.now();
    const result = await upscale(tf, model, definition, picture);
    const seconds = (performance.now() - start) / 1000;
    writePng(PNG, join(target, file), result);
    console.log(JSON.stringify({ name: file.slice(0, -4), seconds }));
  }
}

// Caught here because the wasm backend turns an uncaught error into a long trace.
main(process.argv.slice(2)).catch((error) => fail(`${error.name}: ${error.message}`));
