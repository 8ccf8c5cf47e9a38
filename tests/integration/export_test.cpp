// export --format onnx, and what import takes beside plain files.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "tests/integration/program.h"
#include "tests/support/onnx_reader.h"
#include "tests/support/onnx_run.h"
#include "tests/support/temporary_folder.h"
#include "train/io/half.h"
#include "train/io/safetensors.h"

using namespace resgrad;
using namespace resgrad::testing;
namespace fs = std::filesystem;

namespace {

// A folder with the weights of a small network.
struct Folder {
  TemporaryFolder folder;
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }

  explicit Folder(const std::string& flags) {
    succeed(
        "train --dataset synthetic --max-steps 2 -b 8 --limit-eval-batches 1 --threads 1 --quiet "
        "--model resnet20 --output-dir " +
        path("run") + ' ' + flags);
  }
  std::string weights() const { return path("run/last.safetensors"); }

  static std::string succeed(const std::string& arguments) {
    const Result r = run(arguments);
    REQUIRE_MESSAGE(r.code == 0, r.out);
    return r.out;
  }

  Tensor logits(const std::string& checkpoint, const Tensor& images) const {
    write_safetensors(path("x.safetensors"), {.tensors = {{"x", images}}});
    succeed("predict --checkpoint " + checkpoint + " --input " + path("x.safetensors") +
            " --logits-output " + path("y.safetensors"));
    return read_safetensors(path("y.safetensors")).tensors.at(0).tensor;
  }
};

Tensor random_images(std::int64_t size) {
  Random random(1, Purpose::test);
  return Tensor::randn({3, 3, size, size}, random);
}

}  // namespace

TEST_CASE("an ONNX file computes what predict computes") {
  const Folder folder(
      "--blocks 1,1,1 --activation pre --shortcut B --activated-shortcut on --logit-scale 0.5");
  const Tensor images = random_images(32), want = folder.logits(folder.weights(), images);
  const std::string file = folder.path("net.onnx"), command = "export --format onnx --checkpoint " +
                                                              folder.weights() + " --output " +
                                                              file;
  CHECK(contains(Folder::succeed(command), "input: [batch, 3, 32, 32], (value / 255 - mean)"));
  OnnxModel model = read_onnx(text_of(file));
  CHECK(relative_difference(run_onnx(model.graph, images), want) < 1e-5);
  CHECK(model.metadata.at("model") == "resnet20");
  CHECK(model.metadata.at("dataset") == "synthetic");
  CHECK(nlohmann::json::parse(model.metadata.at("classes"))[9] == "checkerboard");

  CHECK(contains(Folder::succeed(command + " --include-normalisation --fold-norms"),
                 "pixels of 0 to 255 as float32, RGB"));
  const std::size_t nodes = model.graph.nodes.size();
  model = read_onnx(text_of(file));
  CHECK(model.graph.nodes.size() == nodes + 2 - 3);  // the second norm of each block is gone
  const Tensor deviation = Tensor::from<float>({0.2483F, 0.2479F, 0.2475F}, {1, 3, 1, 1}),
               mean = Tensor::from<float>({0.4988F, 0.5004F, 0.5006F}, {1, 3, 1, 1});
  CHECK(relative_difference(run_onnx(model.graph, (images * deviation + mean) * 255), want) < 1e-5);

  Folder::succeed(command + " --image-size 48");
  model = read_onnx(text_of(file));
  const Tensor large = random_images(48);
  CHECK(relative_difference(run_onnx(model.graph, large), folder.logits(folder.weights(), large)) <
        1e-5);
}

TEST_CASE("export takes the flags of its format alone, and leaves no file otherwise") {
  const Folder folder("--blocks 1,1,1");
  const std::string file = folder.path("out");
  const auto refused = [&](const std::string& flags, int code, std::string_view reason) {
    const Result r = run("export --checkpoint " + folder.weights() + " --output " + file + flags);
    CAPTURE(r.out);
    CHECK(r.code == code);
    CHECK(contains(r.out, reason));
    CHECK_FALSE(fs::exists(file));
  };
  refused("", 2, "--layout: expected whose names the tensors get, got none");
  refused(" --format onnx --layout kuangliu", 2,
          "--layout: expected only with --format safetensors");
  refused(" --layout akamaster --fold-norms", 2, "--fold-norms: expected only with --format onnx");
  refused(" --layout akamaster --include-normalisation", 2, "expected only with --format onnx");
  refused(" --layout akamaster --image-size 32", 2, "expected only with --format onnx");
  refused(" --format onnx --image-size 0", 2, "--image-size");
  refused(" --format torch", 2, "expected one of safetensors, onnx, got torch");
  refused("/none --format onnx", 1, "out/none");
}

TEST_CASE("weights of other types and under the names of wrappers are those of the plain file") {
  const Folder folder("--blocks 3,3,3");
  const std::string theirs = folder.path("theirs"), imported = folder.path("imported");
  Folder::succeed("export --layout akamaster --checkpoint " + folder.weights() + " --output " +
                  theirs);
  TensorFile plain = read_safetensors(theirs);
  for (NamedTensor& t : plain.tensors) t.name = t.name.substr(std::string("module.").size());
  const auto import_file = [&] {
    return run("import --layout akamaster --model resnet20 --weights " + theirs + " --output " +
               imported);
  };
  // What was imported from `file`, which write_file() writes.
  const auto imported_from = [&](const TensorFile& file, auto write_file, std::string_view line) {
    write_file(theirs, file);
    const Result r = import_file();
    REQUIRE_MESSAGE(r.code == 0, r.out);
    CHECK(contains(r.out, line));
    CHECK(contains(r.out, "become float32") == !line.empty());
    return text_of(imported);
  };
  const auto as_it_is = [](const std::string& path, const TensorFile& file) {
    write_safetensors(path, file);
  };
  const std::string want = imported_from(plain, as_it_is, "");

  SUBCASE("wrappers") {
    const auto named = [&](auto prefix) {
      TensorFile file = plain;
      for (std::size_t i = 0; i < file.tensors.size(); ++i) {
        file.tensors[i].name = prefix(i) + file.tensors[i].name;
      }
      return file;
    };
    for (const char* prefix : {"module.", "_orig_mod.", "module._orig_mod."}) {
      CAPTURE(prefix);
      CHECK(imported_from(named([&](std::size_t) { return std::string(prefix); }), as_it_is, "") ==
            want);
      CHECK(imported_from(named([&](std::size_t i) { return i % 3 == 0 ? prefix : ""; }), as_it_is,
                          "") == want);
    }
    TensorFile averaged = named([](std::size_t) { return std::string("module."); });
    averaged.tensors.push_back({"n_averaged", Tensor::zeros({}, DType::int64)});
    CHECK(imported_from(averaged, as_it_is, "") == want);
    averaged.tensors.push_back({"linear.bias", Tensor::zeros({10})});
    fs::remove(imported);
    write_safetensors(theirs, averaged);
    const Result r = import_file();
    CHECK(r.code == 1);
    CHECK(contains(r.out, "got linear.bias and module.linear.bias"));
    CHECK_FALSE(fs::exists(imported));
  }
  SUBCASE("float64") {
    TensorFile wide = plain;
    std::size_t count = 0;
    for (NamedTensor& t : wide.tensors) {
      if (t.tensor.dtype() != DType::float32) continue;
      t.tensor = t.tensor.to(DType::float64);
      ++count;
    }
    CHECK(imported_from(wide, as_it_is,
                        fmt::format("import: {} tensors of F64 become float32", count)) == want);
    wide.tensors[0].tensor = Tensor::full(wide.tensors[0].tensor.shape(), 1e39, DType::float64);
    fs::remove(imported);
    write_safetensors(theirs, wide);
    const Result r = import_file();
    CHECK(r.code == 1);
    CHECK(contains(r.out, "expected values that float32 can hold, got 1e+39"));
    CHECK_FALSE(fs::exists(imported));
  }
  SUBCASE("16 bits") {
    for (const bool brain : {false, true}) {
      const auto bits_of = [](std::int64_t i) {  // of positive numbers below 1, in both types
        return static_cast<std::uint16_t>(0x2800 + i * 37 % 0x0c00);
      };
      TensorFile rounded = plain;
      for (NamedTensor& t : rounded.tensors) {
        if (t.tensor.dtype() != DType::float32) continue;
        t.tensor = t.tensor.clone();
        for (std::int64_t i = 0; i < t.tensor.numel(); ++i) {
          t.tensor.data<float>()[i] = brain ? from_bfloat16(bits_of(i)) : from_float16(bits_of(i));
        }
      }
      const auto write_narrow = [&](const std::string& path, const TensorFile& file) {
        std::string header = "{", data;
        for (const NamedTensor& t : file.tensors) {
          const bool narrow = t.tensor.dtype() == DType::float32;
          const std::size_t begin = data.size();
          if (narrow) {
            for (std::int64_t i = 0; i < t.tensor.numel(); ++i) {
              const std::uint16_t bits = bits_of(i);
              data.append(reinterpret_cast<const char*>(&bits), sizeof bits);
            }
          } else {
            data.append(reinterpret_cast<const char*>(t.tensor.bytes()), t.tensor.byte_size());
          }
          header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                                header.size() > 1 ? "," : "", t.name,
                                !narrow ? "I64"
                                : brain ? "BF16"
                                        : "F16",
                                fmt::join(t.tensor.shape(), ","), begin, data.size());
        }
        header += "}";
        const std::uint64_t size = header.size();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(&size), sizeof size)
            .write(header.data(), static_cast<std::streamsize>(header.size()))
            .write(data.data(), static_cast<std::streamsize>(data.size()));
      };
      // the metadata of exported files name the data set, which these have not
      rounded.metadata = {{"format", "pt"}};
      const std::string of_rounded = imported_from(rounded, as_it_is, "");
      CHECK(imported_from(rounded, write_narrow,
                          brain ? "tensors of BF16 become float32"
                                : "tensors of F16 become float32") == of_rounded);
    }
  }
}

TEST_CASE("pre-activation weights travel in the layout of kuangliu, and say what they are") {
  const Folder folder(
      "--blocks 1,1,1,1 --channels 8,16,24,32 --stem-channels 8 --activation pre --shortcut B "
      "--activated-shortcut on --final-norm off");
  const std::string file = folder.path("w.safetensors");
  Folder::succeed("export --layout kuangliu --checkpoint " + folder.weights() + " --output " +
                  file);
  const Result r = run("export --layout resnetv2 --checkpoint " + folder.weights() + " --output " +
                       folder.path("none"));
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected a norm behind the last stage (final_norm=on), got none"));
  // of another number of channels and blocks than the preset, but of the same kind
  const Result other = run("import --layout kuangliu --model resnet18 --weights " + file +
                           " --output " + folder.path("none"));
  CHECK(other.code == 1);
  CHECK(contains(
      other.out,
      "different: conv1.weight: expected float32 [64, 3, 3, 3], got float32 [8, 3, 3, 3]"));
  CHECK_FALSE(contains(other.out, "unexpected"));
}
