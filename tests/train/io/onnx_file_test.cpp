#include "train/io/onnx_file.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"
#include "tests/support/onnx_reader.h"

namespace resgrad {
namespace {

using testing::OnnxModel;
using testing::read_onnx;
using testing::read_text;
using testing::TemporaryFolder;

OnnxGraph tiny_graph() {
  OnnxGraph graph({"input", {"batch", 1, 4, 5}}, {"output", {"batch", 1, 4, 6}});
  const std::string weight =
      graph.add_constant("conv.weight", Tensor::from<float>({1.5F, -2}, {1, 1, 1, 2}));
  const std::string y =
      graph.add("Conv", "conv", {"input", weight},
                {{"pads", std::vector<std::int64_t>{0, 1, 0, 1}}, {"group", std::int64_t{1}}});
  graph.nodes.push_back({"LeakyRelu", {y}, "output", {{"alpha", 0.5F}}});
  graph.metadata["model"] = "tiny";
  return graph;
}

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// The same messages filled by the Python package onnx 1.23, whose checker takes them, and
// SerializeToString(deterministic=True).
TEST_CASE("the bytes are those of ONNX's own library") {
  CHECK(hexadecimal(serialise_onnx(tiny_graph())) ==
        "08071207726573677261643a85020a510a05696e7075740a0b636f6e762e7765696768741209636f6e762f43"
        "6f6e761a09636f6e762f436f6e762204436f6e762a110a04706164734000400140004001a001072a0c0a0567"
        "726f75701801a001020a370a09636f6e762f436f6e7612066f75747075741a066f757470757422094c65616b"
        "7952656c752a0f0a05616c706861150000003fa0010112076e6574776f726b2a210801080108010802100142"
        "0b636f6e762e7765696768744a080000c03f000000c05a240a05696e707574121b0a19080112150a07120562"
        "617463680a0208010a0208040a02080562250a066f7574707574121b0a19080112150a07120562617463680a"
        "0208010a0208040a0208064202100d720d0a056d6f64656c120474696e79");
}

TEST_CASE("a file reads back as the graph that was written") {
  const TemporaryFolder folder;
  OnnxGraph graph = tiny_graph();
  graph.add_constant("steps", Tensor::from<std::int64_t>({-1, std::int64_t{1} << 40}, {2}));
  graph.add_constant("factor", Tensor::scalar(0.25));
  const Tensor image = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 2, 2});
  graph.add_constant("image", image.detach(MemoryFormat::channels_last));
  write_onnx(folder.path() / "net.onnx", graph);
  const OnnxModel read = read_onnx(read_text(folder.path() / "net.onnx"));
  CHECK(read.ir_version == 7);
  CHECK(read.opset == 13);
  CHECK(read.producer == "resgrad");
  CHECK(read.metadata == graph.metadata);
  CHECK(read.graph.input.name == "input");
  CHECK(read.graph.input.shape == graph.input.shape);
  CHECK(read.graph.output.shape == graph.output.shape);
  REQUIRE(read.graph.nodes.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const OnnxNode &got = read.graph.nodes[i], &want = graph.nodes[i];
    CHECK(got.op == want.op);
    CHECK(got.inputs == want.inputs);
    CHECK(got.output == want.output);
    REQUIRE(got.attributes.size() == want.attributes.size());
    for (std::size_t a = 0; a < got.attributes.size(); ++a) {
      CHECK(got.attributes[a].name == want.attributes[a].name);
      CHECK(got.attributes[a].value == want.attributes[a].value);
    }
  }
  REQUIRE(read.graph.initialisers.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(read.graph.initialisers[i].name == graph.initialisers[i].name);
    CHECK(read.graph.initialisers[i].tensor.dtype() == graph.initialisers[i].tensor.dtype());
    CHECK(testing::all_close(read.graph.initialisers[i].tensor, graph.initialisers[i].tensor));
  }
}

TEST_CASE("a graph that no message can hold and a folder that is missing are errors") {
  OnnxGraph graph = tiny_graph();
  for (int i = 0; i < 2; ++i) graph.add_constant("large", Tensor::empty({1 << 28}));  // untouched
  CHECK_THROWS_WITH_AS(serialise_onnx(graph),
                       "onnx: graph: expected at most 2147483647 bytes, got 2147483656",
                       ValueError);
  CHECK_THROWS_WITH_AS(write_onnx("/nonexistent/net.onnx", tiny_graph()),
                       doctest::Contains("/nonexistent/net.onnx"), IoError);
}

}  // namespace
}  // namespace resgrad
