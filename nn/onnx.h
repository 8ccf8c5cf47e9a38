// The graph of ONNX operators of a network.
#pragma once

#include <vector>

#include "core/onnx_graph.h"
#include "nn/module.h"

namespace resgrad {

struct OnnxOptions {
  /// Mean and deviation per channel, of values in [0, 1]. Where they are given, inputs are pixels
  /// of 0 to 255 and the graph begins with (x / 255 - mean) / deviation; else inputs are what the
  /// network takes.
  std::vector<double> mean = {}, deviation = {};
  bool fold_norms = false;  ///< as fold_norms() in core/onnx_graph.h
};

/// What `net` computes in evaluation mode, as a graph from "input" [batch, ...] to "output"
/// [batch, ...], with any batch. Constants bear the names of the tensors of the network.
/// `input_shape` has the batch axis in front; the network runs once on zeros of that shape, which
/// gives the shape of the output. Networks of own modules: Module::add_to_onnx().
/// Throws  ValueError for a module that has no such graph, a network that is not of float32, means
///         and deviations that are not one for each channel or no positive deviations; and what the
///         network throws for such an input.
OnnxGraph onnx_graph(Module& net, const Shape& input_shape, const OnnxOptions& options = {});

}  // namespace resgrad
