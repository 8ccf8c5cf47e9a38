// A reader of ONNX files: protobuf fields by the numbers of onnx.proto. An unknown field is a
// failure.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>

#include "core/onnx_graph.h"

namespace resgrad::testing {

/// What a file says beside its graph.
struct OnnxModel {
  std::int64_t ir_version = 0, opset = 0;
  std::string producer;
  std::map<std::string, std::string> metadata;
  OnnxGraph graph{{}, {}};
};

namespace onnx_reader {

using protozero::pbf_reader;

[[noreturn]] inline void unknown(const char* message, const pbf_reader& reader) {
  FAIL("an unknown field of a message ", message, ": ", reader.tag());
  throw 0;  // not reached
}

inline OnnxAttribute attribute(pbf_reader message) {
  OnnxAttribute read;
  std::vector<std::int64_t> ints;
  int type = 0;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        read.name = message.get_string();
        break;
      case 2:
        read.value = message.get_float();
        break;
      case 3:
        read.value = message.get_int64();
        break;
      case 8:
        ints.push_back(message.get_int64());
        break;
      case 20:
        type = message.get_enum();
        break;
      default:
        unknown("AttributeProto", message);
    }
  }
  if (type == 7) read.value = ints;
  CHECK(type == (std::holds_alternative<float>(read.value)          ? 1
                 : std::holds_alternative<std::int64_t>(read.value) ? 2
                                                                    : 7));
  return read;
}

inline OnnxNode node(pbf_reader message) {
  OnnxNode read;
  std::string name;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        read.inputs.push_back(message.get_string());
        break;
      case 2:
        read.output = message.get_string();
        break;
      case 3:
        name = message.get_string();
        break;
      case 4:
        read.op = message.get_string();
        break;
      case 5:
        read.attributes.push_back(attribute(message.get_message()));
        break;
      default:
        unknown("NodeProto", message);
    }
  }
  CHECK(name == read.output);
  return read;
}

inline NamedTensor tensor(pbf_reader message) {
  std::string name, data;
  Shape shape;
  int type = 0;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        shape.push_back(message.get_int64());
        break;
      case 2:
        type = message.get_int32();
        break;
      case 8:
        name = message.get_string();
        break;
      case 9:
        data = message.get_bytes();
        break;
      default:
        unknown("TensorProto", message);
    }
  }
  REQUIRE((type == 1 || type == 7));
  Tensor value = Tensor::empty(shape, type == 1 ? DType::float32 : DType::int64);
  REQUIRE(value.byte_size() == data.size());
  std::memcpy(value.bytes(), data.data(), data.size());
  return {name, value};
}

inline OnnxValue value(pbf_reader message) {
  OnnxValue read;
  const auto add_size = [&read](pbf_reader size) {
    while (size.next()) {
      if (size.tag() == 1) {
        read.shape.emplace_back(size.get_int64());
      } else if (size.tag() == 2) {
        read.shape.emplace_back(size.get_string());
      } else {
        unknown("Dimension", size);
      }
    }
  };
  while (message.next()) {
    if (message.tag() == 1) {
      read.name = message.get_string();
      continue;
    }
    REQUIRE(message.tag() == 2);
    pbf_reader type = message.get_message();
    REQUIRE(type.next(1));
    pbf_reader of_tensor = type.get_message();
    REQUIRE(of_tensor.next(1));
    CHECK(of_tensor.get_int32() == 1);  // float32
    REQUIRE(of_tensor.next(2));
    pbf_reader shape = of_tensor.get_message();
    while (shape.next(1)) add_size(shape.get_message());
  }
  return read;
}

inline OnnxGraph graph(pbf_reader message) {
  OnnxGraph read({}, {});
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        read.nodes.push_back(node(message.get_message()));
        break;
      case 2:
        CHECK(message.get_string() == "network");
        break;
      case 5:
        read.initialisers.push_back(tensor(message.get_message()));
        break;
      case 11:
        read.input = value(message.get_message());
        break;
      case 12:
        read.output = value(message.get_message());
        break;
      default:
        unknown("GraphProto", message);
    }
  }
  return read;
}

inline std::pair<std::string, std::string> entry(pbf_reader message) {
  std::pair<std::string, std::string> read;
  while (message.next()) {
    const auto tag = message.tag();  // taking the value resets it in debug builds
    REQUIRE((tag == 1 || tag == 2));
    (tag == 1 ? read.first : read.second) = message.get_string();
  }
  return read;
}

}  // namespace onnx_reader

/// The model in the bytes of a file.
inline OnnxModel read_onnx(const std::string& bytes) {
  OnnxModel read;
  protozero::pbf_reader message(bytes);
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        read.ir_version = message.get_int64();
        break;
      case 2:
        read.producer = message.get_string();
        break;
      case 7:
        read.graph = onnx_reader::graph(message.get_message());
        break;
      case 8: {
        auto opset = message.get_message();
        REQUIRE(opset.next(2));
        read.opset = opset.get_int64();
        break;
      }
      case 14:
        read.metadata.insert(onnx_reader::entry(message.get_message()));
        break;
      default:
        onnx_reader::unknown("ModelProto", message);
    }
  }
  return read;
}

}  // namespace resgrad::testing
