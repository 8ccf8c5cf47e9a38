// Networks that are built in a program go out into the world: evaluated, written as weights for
// `resgrad eval`, `predict` and `export`, and as ONNX for other programs.
//
// Shows  a network by description, evaluation on a data set, save_weights(), and a module of one's
// own
//        that says how it is written as ONNX.
#include <cstdio>
#include <filesystem>

#include <resgrad/core/ops/arithmetic.h>
#include <resgrad/core/ops/relu.h>
#include <resgrad/data/datasets.h>
#include <resgrad/data/loader.h>
#include <resgrad/models/models.h>
#include <resgrad/nn/nn.h>
#include <resgrad/train/checkpoint.h>
#include <resgrad/train/evaluate.h>
#include <resgrad/train/io/onnx_file.h>

using namespace resgrad;
namespace fs = std::filesystem;

// y = relu(conv(x) + x)
class OneConvolution final : public Module {
 public:
  explicit OneConvolution(std::int64_t channels)
      : conv_(register_module("conv", std::make_shared<Conv2d>(channels, channels, 3,
                                                               Conv2dLayerOptions{.padding = 1}))) {
  }
  std::string class_name() const override { return "OneConvolution"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override {
    const std::string inner = conv_->add_to_onnx(graph, onnx_path(path, "conv"), x);
    return graph.add("Relu", path, {graph.add("Add", path, {inner, x})});
  }

 private:
  Tensor forward(const Tensor& x) override { return relu((*conv_)(x) + x); }
  std::shared_ptr<Conv2d> conv_;
};

double accuracy(Module& net, data::Loader& images) {
  return evaluate(net, images, 10, {.limit_batches = 2}).top1;
}

int main(int argc, char** argv) {
  const fs::path folder = argc > 1 ? argv[1] : ".";
  const auto test = data::load_test_set({.name = "synthetic"});
  const data::Normalisation normalisation = data::normalisation("synthetic");
  data::Loader images(test, {.batch_size = 64, .normalisation = normalisation});
  const Shape input = {1, 3, test->height, test->width};

  // A residual network of an own description is one of the files that the program takes.
  const models::Fields fields = {{"blocks", "1,1"}, {"channels", "16,24"}, {"activation", "pre"}};
  const auto residual = models::make("resnet20", {.fields = fields, .seed = 1});
  std::printf("residual: accuracy %.1f %%\n", accuracy(*residual, images));
  save_weights(folder / "residual.safetensors", *residual,
               {.model = "resnet20", .dataset = "synthetic", .network = models::to_text(fields)});
  write_onnx(folder / "residual.onnx",
             onnx_graph(*residual, input,
                        {.mean = {normalisation.mean.begin(), normalisation.mean.end()},
                         .deviation = {normalisation.std.begin(), normalisation.std.end()},
                         .fold_norms = true}));

  // Any other network, own modules included.
  const init::InitScope weights(2);
  Sequential own{std::make_shared<Conv2d>(3, 8, 3, Conv2dLayerOptions{.stride = 2, .padding = 1}),
                 std::make_shared<OneConvolution>(8), std::make_shared<GlobalAvgPool2d>(),
                 std::make_shared<Flatten>(), std::make_shared<Linear>(8, 10)};
  std::printf("own: accuracy %.1f %%\n", accuracy(own, images));
  const OnnxGraph graph = onnx_graph(own, input);
  write_onnx(folder / "own.onnx", graph);
  std::printf("%s: %zu operators\n", (folder / "own.onnx").c_str(), graph.nodes.size());
  return fs::file_size(folder / "residual.onnx") > 0 && graph.nodes.size() == 7 ? 0 : 1;
}
