// Using a weights file: export, import, predict and eval.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "core/text.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/inference.h"
#include "train/io/safetensors.h"

using namespace resgrad;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

// A PNG of 2 x 1 pixels.
constexpr std::array<unsigned char, 72> kPng = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x7b,
    0x40, 0xe8, 0xdd, 0x00, 0x00, 0x00, 0x0f, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x50,
    0x70, 0x48, 0xf8, 0xdf, 0xc0, 0x00, 0x00, 0x07, 0x84, 0x02, 0x40, 0xc5, 0x0d, 0xaa, 0x55,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

void write_png(const fs::path& file, std::size_t bytes = kPng.size()) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(kPng.data()), static_cast<std::streamsize>(bytes));
}

// A folder with the weights of a network that was trained for two steps.
struct Trained {
  TemporaryFolder folder;
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string weights = path("run/last.safetensors");

  explicit Trained(const std::string& flags = "--model resnet20") {
    const Result r =
        run("train --dataset synthetic --max-steps 2 -b 16 --limit-eval-batches 1 "
            "--quiet --output-dir " +
            path("run") + ' ' + flags);
    REQUIRE_MESSAGE(r.code == 0, r.out);
  }
};

// What `resgrad ARGUMENTS` prints, which must succeed.
std::string output(const std::string& arguments) {
  const Result r = run(arguments);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  return r.out;
}

}  // namespace

TEST_CASE("exported weights come back the same, with their data set") {
  const Trained trained;
  output("export --layout akamaster --checkpoint " + trained.weights + " --output " +
         trained.path("w.safetensors"));
  const TensorFile file = read_safetensors(trained.path("w.safetensors"));
  CHECK(file.metadata.at("format") == "pt");
  CHECK(std::ranges::count(file.tensors, "module.linear.weight", &NamedTensor::name) == 1);
  CHECK(
      contains(output("import --layout akamaster --model resnet20 --weights " +
                      trained.path("w.safetensors") + " --output " + trained.path("i.safetensors")),
               "resnet20, 10 classes (synthetic), shortcut A, cifar stem"));
  const std::string eval = "eval --json --limit-eval-batches 2 --checkpoint ";
  CHECK(output(eval + trained.path("i.safetensors")) == output(eval + trained.weights));
}

TEST_CASE("an exported file knows its network: import, eval and predict need no flags for it") {
  const Trained trained(
      "--block bottleneck --blocks 1,1 --channels 16,32 --bottleneck-ratio 2 --stem-channels 8 "
      "--shortcut B");
  const std::string exported = trained.path("w.safetensors"), back = trained.path("i.safetensors");
  CHECK(contains(output("export --layout torchvision --checkpoint " + trained.weights +
                        " --output " + exported),
                 "resnet20 with block=bottleneck blocks=1,1 channels=16,32 bottleneck_ratio=2 "));
  const std::string eval = "eval --json --limit-eval-batches 1 --checkpoint ";
  const std::string want = output(eval + trained.weights);
  CHECK(output(eval + exported) == want);
  output("import --weights " + exported + " --output " + back);
  CHECK(text_of(back).size() < text_of(trained.weights).size());  // without the optimiser
  CHECK(output(eval + back) == want);
  const std::string predict = "predict --json --index 3 --checkpoint ";
  CHECK(output(predict + exported) == output(predict + trained.weights));
  // training goes on from it, too
  output("train --dataset synthetic --max-steps 1 -b 16 --limit-eval-batches 1 --quiet --weights " +
         exported + " --output-dir " + trained.path("on"));

  // a file of other code says nothing, and flags do
  const std::string plain = trained.path("plain.safetensors");
  write_safetensors(plain, {.tensors = read_safetensors(exported).tensors});
  const std::string import_plain = "import --weights " + plain + " --output " + back;
  Result r = run(import_plain);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "import: --layout: expected it as a flag, since the file does not say it"));
  r = run(import_plain + " --layout torchvision");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "import: --model: expected it as a flag"));
  output(
      import_plain +
      " --layout torchvision --dataset synthetic --model resnet20 --block bottleneck --blocks 1,1 "
      "--channels 16,32 --bottleneck-ratio 2 --stem-channels 8");
  CHECK(output(eval + back) == want);

  // what a file says and what it holds must agree
  TensorFile wrong = read_safetensors(exported);
  wrong.metadata["network"] =
      "block=bottleneck blocks=1,2 channels=16,32 bottleneck_ratio=2 "
      "stem_channels=8";
  write_safetensors(plain, wrong);
  r = run(eval + plain);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "missing: layer2.1.bn1.bias"));
}

TEST_CASE("export and import say what does not fit, and leave no file") {
  const Trained trained;
  const auto refused = [&](const std::string& arguments, std::string_view reason) {
    const Result r = run(arguments + " --output " + trained.path("out.safetensors"));
    CAPTURE(r.out);
    CHECK(r.code == 1);
    CHECK(contains(r.out, reason));
    CHECK_FALSE(fs::exists(trained.path("out.safetensors")));
  };
  refused("export --layout torchvision --checkpoint " + trained.weights, "expected shortcut B");
  refused("import --layout torchvision --model resnet20 --weights " + trained.weights,
          "needs no import: use it as --checkpoint");
  output("export --layout akamaster --checkpoint " + trained.weights + " --output " +
         trained.path("w.safetensors"));
  refused("import --layout torchvision --model resnet20 --weights " + trained.path("w.safetensors"),
          "expected a tensor fc.weight, found none");
  refused("import --layout akamaster --model resnet32 --weights " + trained.path("w.safetensors"),
          "missing: layer1.3.bn1.running_var\n  and 55 more");
  refused("import --layout akamaster --model preact_resnet20 --weights " +
              trained.path("w.safetensors"),
          "expected post-activation blocks");
  refused("import --layout akamaster --model resnet20 --normalisation 1,2 --weights " +
              trained.path("w.safetensors"),
          "three means and three positive deviations");
  CHECK(run("export --layout onnx --checkpoint x --output y").code == 2);
  Result r = run("export --layout akamaster --checkpoint " + trained.weights + " --output " +
                 trained.weights);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected another file"));
  r = run("export --layout akamaster --checkpoint " + trained.weights + " --output /nonexistent/w");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "/nonexistent/w"));
}

TEST_CASE("what is no weights file is named, with what to do") {
  const Trained trained;
  const auto fails = [](const std::string& arguments, const std::vector<std::string>& parts) {
    const Result r = run(arguments);
    CAPTURE(r.out);
    CHECK(r.code == 1);
    for (const std::string& part : parts) CHECK(contains(r.out, part));
  };
  const std::string pth = trained.path("net.pth"), tar = trained.path("net.tar");
  std::ofstream(pth, std::ios::binary) << "PK\x03\x04" << std::string(500, 'x');
  std::ofstream(tar, std::ios::binary)
      << std::string(257, '\0') << "ustar" << std::string(250, '\0');
  const std::vector<std::string> torch = {pth + ": expected a safetensors file, got a ZIP archive",
                                          "torch.load(\"" + pth + "\"", "\nsave_file({"};
  fails("eval --checkpoint " + pth, torch);
  fails("predict --index 0 --checkpoint " + pth, torch);
  fails("import --layout akamaster --model resnet20 --output x --weights " + pth, torch);
  fails("eval --checkpoint " + tar, {"got a tar archive\n"});
  fails("eval --checkpoint " + trained.path("run"),
        {"got a folder; it holds " + trained.path("run/best.safetensors")});
  fails("eval --checkpoint " + trained.path("run/args.json"), {"got JSON text"});
  output("export --layout akamaster --checkpoint " + trained.weights + " --output " +
         trained.path("w.safetensors"));
  write_safetensors(trained.path("plain.safetensors"),
                    {.tensors = read_safetensors(trained.path("w.safetensors")).tensors,
                     .metadata = {{"format", "pt"}}});
  fails("eval --checkpoint " + trained.path("plain.safetensors"),
        {"as files of resgrad train and resgrad import have it, found none"});
}

TEST_CASE("predict prints the likeliest classes of test images, and agrees with eval") {
  const Trained trained;
  const Json json = Json::parse(
      output("predict --json --index 7,0,7 --top-k 10 --checkpoint " + trained.weights));
  REQUIRE(json["predictions"].size() == 3);
  CHECK(json["predictions"][0]["input"] == "synthetic test image 7");
  CHECK(json["predictions"][0]["top"] == json["predictions"][2]["top"]);
  CHECK(json["predictions"][0]["top"] != json["predictions"][1]["top"]);
  double sum = 0, last = 1;
  for (const Json& row : json["predictions"][0]["top"]) {
    const double p = row["probability"];
    CHECK(p <= last);
    sum += last = p;
  }
  CHECK(sum == doctest::Approx(1));
  const std::string text = output("predict --index 7 --top-k 1 --checkpoint " + trained.weights);
  CHECK(contains(text, json["predictions"][0]["top"][0]["name"].get<std::string>()));
  CHECK(contains(text, "label: " + json["predictions"][0]["label"].get<std::string>()));
}

TEST_CASE("predict finds the images that a run held out, as eval does") {
  const Trained trained("--model resnet20 --val-split 40");
  output("eval --split val --predictions " + trained.path("val.csv") + " --checkpoint " +
         trained.weights);
  std::istringstream csv(text_of(trained.path("val.csv")));
  std::string line, labels, predicted;
  std::getline(csv, line);
  std::string indices;
  for (int row = 0; row < 5; ++row) {  // index,file,label,predicted,...
    std::getline(csv, line);
    const auto cells = split(line, ',');
    indices += (row == 0 ? "" : ",") + std::string(cells[0]);
    labels += std::string(cells[2]) + ' ', predicted += std::string(cells[3]) + ' ';
  }
  const std::string command =
      "predict --json --top-k 1 --checkpoint " + trained.weights + " --index " + indices;
  std::string got_labels, got;
  const Json json = Json::parse(output(command + " --split val"));
  for (const Json& row : json["predictions"]) {
    got_labels += row["label"].get<std::string>() + ' ';
    got += row["top"][0]["name"].get<std::string>() + ' ';
    CHECK(contains(row["input"].get<std::string>(), "synthetic val image "));
  }
  CHECK(got_labels == labels);
  CHECK(got == predicted);
  const Result r = run(command + " --split train");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "predict: --index: expected numbers of train images of "));
}

TEST_CASE("predict reads tensors and writes logits, and a mirror image counts like its image") {
  const Trained trained;
  Random random(1, Purpose::test);
  const Tensor x = Tensor::randn({3, 3, 40, 32}, random);
  const auto logits = [&](const Tensor& images, const std::string& flags) {
    write_safetensors(trained.path("x.safetensors"), {.tensors = {{"x", images}}});
    output("predict -b 2 --checkpoint " + trained.weights + " --input " +
           trained.path("x.safetensors") + " --logits-output " + trained.path("y.safetensors") +
           flags);
    const TensorFile file = read_safetensors(trained.path("y.safetensors"));
    REQUIRE(file.tensors.size() == 1);
    CHECK(file.tensors[0].tensor.shape() == Shape{3, 10});
    return file.tensors[0].tensor.to_vector<double>();
  };
  const auto plain = logits(x, ""), mirror = logits(mirrored(x), ""),
             flip = logits(x, " --tta flip");
  CHECK(plain != mirror);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(flip[i] == doctest::Approx((plain[i] + mirror[i]) / 2).epsilon(1e-4));
  }
}

TEST_CASE("predict takes image files of any size and names the one that is damaged") {
  const Trained trained;
  write_png(trained.path("a.png"));
  write_png(trained.path("cut.png"), 60);
  const std::string predict = "predict --checkpoint " + trained.weights + ' ';
  const Json json = Json::parse(output(predict + "--json " + trained.path("a.png")));
  CHECK(json["predictions"][0]["top"].size() == 5);
  CHECK_FALSE(json["predictions"][0].contains("label"));
  Result r = run(predict + trained.path("cut.png"));
  CHECK(r.code == 1);
  CHECK(r.out == "resgrad: image: " + trained.path("cut.png") +
                     ": expected a PNG without errors, got: the file is cut off\n");
  r = run(predict + "--crop-size 40 " + trained.path("a.png"));
  CHECK(r.code == 1);
  CHECK(contains(r.out, "centre_crop: size"));
  CHECK(run(predict + trained.path("none.png")).code == 1);
}

TEST_CASE("one damaged image of many is named, and the others are predicted") {
  const Trained trained;
  write_png(trained.path("a.png"));
  write_png(trained.path("cut.png"), 60);
  const std::string predict = "predict --checkpoint " + trained.weights + ' ' +
                              trained.path("cut.png") + ' ' + trained.path("a.png") + ' ' +
                              trained.path("none.png") + ' ' + trained.path("a.png");
  Result r = run(predict + " --logits-output " + trained.path("y.safetensors"));
  CHECK(r.code == 1);
  CHECK(contains(r.out, "resgrad: image: " + trained.path("cut.png") + ": expected a PNG"));
  CHECK(contains(r.out, "resgrad: image: " + trained.path("none.png") + ": expected a"));
  CHECK(contains(r.out, trained.path("a.png") + "\n  "));
  CHECK(read_safetensors(trained.path("y.safetensors")).tensors[0].tensor.shape() == Shape{2, 10});
  r = run(predict + " --json 2>/dev/null #");
  CHECK(r.code == 1);
  const Json json = Json::parse(r.out);
  CHECK(json["predictions"].size() == 2);
  REQUIRE(json["unread"].size() == 2);
  CHECK(json["unread"][0]["input"] == trained.path("cut.png"));
  CHECK(contains(json["unread"][1]["reason"].get<std::string>(), trained.path("none.png")));
  // so large that it cannot be resized, and no other
  r = run("predict --checkpoint " + trained.weights + " --resize-size 65536 --json " +
          trained.path("a.png") + " 2>/dev/null #");
  CHECK(r.code == 1);
  const Json none = Json::parse(r.out);
  CHECK(none["predictions"].empty());
  CHECK(none["unread"].size() == 1);
}

TEST_CASE("predict writes over nothing that it reads") {
  const Trained trained;
  const auto refused = [&](const std::string& flags, const std::string& file) {
    CAPTURE(flags);
    const std::string before = text_of(file);
    const Result r =
        run("predict --checkpoint " + trained.weights + ' ' + flags + " --logits-output " + file);
    CHECK(r.code == 1);
    CHECK(contains(r.out, "predict: --logits-output: expected another file than "));
    CHECK(text_of(file) == before);
  };
  refused("--index 0", trained.weights);
  fs::create_hard_link(trained.weights, trained.path("link"));
  refused("--index 0", trained.path("link"));
  write_png(trained.path("a.png"));
  refused(trained.path("a.png"), trained.path("a.png"));
  write_safetensors(trained.path("x.safetensors"),
                    {.tensors = {{"x", Tensor::zeros({1, 3, 8, 8})}}});
  refused("--input " + trained.path("x.safetensors"), trained.path("x.safetensors"));
  fs::create_directory(trained.path("data"));
  std::ofstream(trained.path("data/test_batch.bin")) << "images";
  refused("--dataset cifar10 --index 0 --data-path " + trained.path("data"),
          trained.path("data/test_batch.bin"));
}

TEST_CASE("what cannot be printed is an error of every command") {
  const Trained trained;
  write_png(trained.path("a.png"));
  const std::string of_weights = " --checkpoint " + trained.weights;
  for (const std::string& arguments :
       {std::string("--help"), std::string("--version"), std::string("train --help"),
        std::string("models"), std::string("info"), std::string("summary --model resnet20"),
        std::string("gradcheck --op relu"),
        "find-lr --dataset synthetic --blocks 1,1,1 -b 4 --steps 20 --output " +
            trained.path("lr.csv"),
        std::string("train --dry-run --dataset synthetic --blocks 1,1,1 -b 2 "
                    "--limit-eval-batches 1"),
        std::string("bench --model resnet20 -b 1 --steps 1 --threads 1"),
        "eval --json --limit-eval-batches 1" + of_weights,
        "eval --limit-eval-batches 1" + of_weights, "predict --index 0" + of_weights,
        "predict --json " + trained.path("a.png") + of_weights,
        "export --layout akamaster --output " + trained.path("w") + of_weights,
        "import --layout akamaster --model resnet20 --weights " + trained.path("w") + " --output " +
            trained.path("i")}) {
    CAPTURE(arguments);
    const Result r = run(arguments + " 2>&1 >/dev/full #");
    CHECK(r.code == 1);
    CHECK(r.out ==
          "resgrad: standard output: expected to write all of it, got: No space left on device\n");
  }
  const Result train =
      run("train --dataset synthetic --max-steps 1 -b 2 --limit-eval-batches 1 --output-dir " +
          trained.path("r") + " 2>&1 >/dev/full #");
  CHECK(train.code == 1);
  CHECK(contains(train.out, "standard output: expected to write all of it"));
  CHECK(fs::exists(trained.path("r/last.safetensors")));
  const Result closed = run("models 2>&1 >&- #");
  CHECK(closed.code == 1);
  CHECK(contains(closed.out, "standard output: expected to write all of it"));
  // nothing can be said, but neither is it a crash
  CHECK(run("eval --checkpoint none 2>/dev/full #").code == 1);
}

TEST_CASE("file names that are not UTF-8 are shown in JSON as far as they can be") {
  const Trained trained;
  const std::string image = trained.path("r\xe9s.png");
  write_png(image);
  const Json json =
      Json::parse(output("predict --json --checkpoint " + trained.weights + " '" + image + "'"));
  CHECK(json["predictions"][0]["input"] == trained.path("r\xef\xbf\xbds.png"));
}

TEST_CASE("predict refuses what it cannot use") {
  const Trained trained;
  const std::string predict = "predict --checkpoint " + trained.weights + ' ';
  CHECK(run(predict).code == 2);
  CHECK(run(predict + "--index 1 a.png").code == 2);
  CHECK(run(predict + "--index -1").code == 2);
  CHECK(run(predict + "--index 1 --top-k 0").code == 2);
  CHECK(run(predict + "--index 1 --tta rotate").code == 2);
  Result r = run(predict + "--index 2000");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected numbers of test images of 0 to 1999"));
  write_safetensors(trained.path("x.safetensors"),
                    {.tensors = {{"x", Tensor::zeros({2, 1, 8, 8})}}});
  r = run(predict + "--input " + trained.path("x.safetensors"));
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected float32 [n, 3, h, w]"));
  write_safetensors(trained.path("x.safetensors"),
                    {.tensors = {{"x", Tensor::full({1, 3, 8, 8}, std::nan(""))}}});
  r = run(predict + "--input " + trained.path("x.safetensors"));
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected finite logits"));
}

TEST_CASE("eval with mirror images prints all of the evaluation") {
  const Trained trained;
  const std::string eval = "eval --limit-eval-batches 2 --checkpoint " + trained.weights;
  const Json plain = Json::parse(output(eval + " --json"));
  const Json flip = Json::parse(output(eval + " --json --tta flip"));
  CHECK(plain["images"] == flip["images"]);
  CHECK(plain["loss"] != flip["loss"]);
  for (const char* key : {"model", "dataset", "images", "loss", "top1", "top5"}) {
    CHECK(plain.contains(key));
  }
  CHECK(plain["classes"].size() == 10);
  CHECK(plain["confusion"].size() == 10);
  CHECK(plain["confusion"][0].size() == 10);
  const std::string text = output(eval);
  CHECK(contains(text, "top-5"));
  CHECK(contains(text, "confusion: rows are labels"));
}
