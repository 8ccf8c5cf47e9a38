#include "train/io/onnx_file.h"

#include <bit>
#include <limits>
#include <protozero/pbf_builder.hpp>
#include <span>

#include "core/atomic_file.h"
#include "core/check.h"

namespace resgrad {
namespace {

static_assert(std::endian::native == std::endian::little, "raw data of ONNX are little-endian");

using protozero::pbf_builder;
using Tag = protozero::pbf_tag_type;

// The fields of the messages, by their numbers in onnx.proto.
enum class ModelProto : Tag { ir_version = 1, producer = 2, graph = 7, opset = 8, metadata = 14 };
enum class OperatorSetIdProto : Tag { version = 2 };
enum class StringStringEntryProto : Tag { key = 1, value = 2 };
enum class GraphProto : Tag { node = 1, name = 2, initialiser = 5, input = 11, output = 12 };
enum class NodeProto : Tag { input = 1, output = 2, name = 3, op_type = 4, attribute = 5 };
enum class AttributeProto : Tag { name = 1, f = 2, i = 3, ints = 8, type = 20 };
enum class TensorProto : Tag { dims = 1, data_type = 2, name = 8, raw_data = 9 };
enum class ValueInfoProto : Tag { name = 1, type = 2 };
enum class TypeProto : Tag { tensor = 1 };
enum class TensorTypeProto : Tag { elements = 1, shape = 2 };
enum class TensorShapeProto : Tag { dim = 1 };
enum class DimensionProto : Tag { value = 1, param = 2 };

constexpr std::int64_t kIrVersion = 7;
constexpr std::int32_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7;
constexpr std::int32_t kFloat = 1, kInt64 = 7, kDouble = 11;

std::int32_t element_type(DType dtype) {
  return dtype == DType::float32 ? kFloat : dtype == DType::float64 ? kDouble : kInt64;
}

void add(pbf_builder<NodeProto>& node, const OnnxAttribute& given) {
  pbf_builder<AttributeProto> attribute(node, NodeProto::attribute);
  attribute.add_string(AttributeProto::name, given.name);
  if (const auto* f = std::get_if<float>(&given.value)) {
    attribute.add_float(AttributeProto::f, *f);
    attribute.add_enum(AttributeProto::type, kAttributeFloat);
  } else if (const auto* i = std::get_if<std::int64_t>(&given.value)) {
    attribute.add_int64(AttributeProto::i, *i);
    attribute.add_enum(AttributeProto::type, kAttributeInt);
  } else {
    for (const std::int64_t n : std::get<std::vector<std::int64_t>>(given.value)) {
      attribute.add_int64(AttributeProto::ints, n);
    }
    attribute.add_enum(AttributeProto::type, kAttributeInts);
  }
}

void add(pbf_builder<GraphProto>& graph, const OnnxNode& given) {
  pbf_builder<NodeProto> node(graph, GraphProto::node);
  for (const std::string& input : given.inputs) node.add_string(NodeProto::input, input);
  node.add_string(NodeProto::output, given.output);
  node.add_string(NodeProto::name, given.output);
  node.add_string(NodeProto::op_type, given.op);
  for (const OnnxAttribute& attribute : given.attributes) add(node, attribute);
}

void add(pbf_builder<GraphProto>& graph, const NamedTensor& given) {
  const Tensor values = given.tensor.detach(MemoryFormat::contiguous);
  pbf_builder<TensorProto> tensor(graph, GraphProto::initialiser);
  for (const std::int64_t size : values.shape()) tensor.add_int64(TensorProto::dims, size);
  tensor.add_int32(TensorProto::data_type, element_type(values.dtype()));
  tensor.add_string(TensorProto::name, given.name);
  tensor.add_bytes(TensorProto::raw_data, reinterpret_cast<const char*>(values.bytes()),
                   values.byte_size());
}

void add(pbf_builder<GraphProto>& graph, GraphProto field, const OnnxValue& given) {
  pbf_builder<ValueInfoProto> value(graph, field);
  value.add_string(ValueInfoProto::name, given.name);
  pbf_builder<TypeProto> type(value, ValueInfoProto::type);
  pbf_builder<TensorTypeProto> tensor(type, TypeProto::tensor);
  tensor.add_int32(TensorTypeProto::elements, kFloat);
  pbf_builder<TensorShapeProto> shape(tensor, TensorTypeProto::shape);
  for (const auto& given_size : given.shape) {
    pbf_builder<DimensionProto> size(shape, TensorShapeProto::dim);
    if (const auto* number = std::get_if<std::int64_t>(&given_size)) {
      size.add_int64(DimensionProto::value, *number);
    } else {
      size.add_string(DimensionProto::param, std::get<std::string>(given_size));
    }
  }
}

void add(pbf_builder<ModelProto>& model, const OnnxGraph& given) {
  pbf_builder<GraphProto> graph(model, ModelProto::graph);
  for (const OnnxNode& node : given.nodes) add(graph, node);
  graph.add_string(GraphProto::name, "network");
  for (const NamedTensor& tensor : given.initialisers) add(graph, tensor);
  add(graph, GraphProto::input, given.input);
  add(graph, GraphProto::output, given.output);
}

std::size_t constant_bytes(const OnnxGraph& graph) {
  std::size_t bytes = 0;
  for (const NamedTensor& t : graph.initialisers) bytes += t.tensor.byte_size();
  return bytes;
}

}  // namespace

std::string serialise_onnx(const OnnxGraph& graph) {
  static constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  const std::size_t constants = constant_bytes(graph);
  const auto check_size = [](std::size_t bytes) {
    require<ValueError>(bytes <= kMost, "onnx: graph: expected at most {} bytes, got {}", kMost,
                        bytes);
  };
  check_size(constants);
  std::string bytes;
  bytes.reserve(constants + constants / 8);
  pbf_builder<ModelProto> model(bytes);
  model.add_int64(ModelProto::ir_version, kIrVersion);
  model.add_string(ModelProto::producer, "resgrad");
  add(model, graph);
  {
    pbf_builder<OperatorSetIdProto> opset(model, ModelProto::opset);
    opset.add_int64(OperatorSetIdProto::version, kOnnxOpset);
  }
  for (const auto& [key, value] : graph.metadata) {
    pbf_builder<StringStringEntryProto> entry(model, ModelProto::metadata);
    entry.add_string(StringStringEntryProto::key, key);
    entry.add_string(StringStringEntryProto::value, value);
  }
  check_size(bytes.size());
  return bytes;
}

void write_onnx(const std::filesystem::path& path, const OnnxGraph& graph) {
  const std::string bytes = serialise_onnx(graph);
  write_file_atomically(path, bytes);
}

}  // namespace resgrad
