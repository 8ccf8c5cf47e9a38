// Files of graphs in the ONNX format, which other programs run. Knows graphs, not modules.
//
// Source  https://github.com/onnx/onnx, onnx/onnx.proto: the messages and the numbers of their
//         fields.
#pragma once

#include <filesystem>
#include <string>

#include "core/onnx_graph.h"

namespace resgrad {

/// Writes the graph as a ModelProto (IR version 7, operators of kOnnxOpset) atomically, byte for
/// byte the same for the same graph; constants as raw little-endian data in row-major order.
/// Throws  ValueError for a graph of 2 GiB or more, which no protobuf message can be; IoError when
///         the file cannot be written.
void write_onnx(const std::filesystem::path& path, const OnnxGraph& graph);

/// The same to memory.
std::string serialise_onnx(const OnnxGraph& graph);

}  // namespace resgrad
