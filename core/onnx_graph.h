// A network as a graph of ONNX operators, as plain data: modules of nn add to it, train/io writes
// it to a file. Knows neither modules nor the file format.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/named_tensor.h"

namespace resgrad {

/// The version of the operators that the graphs are made of.
constexpr int kOnnxOpset = 13;

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};

/// One operator. Its inputs and its output are names of values.
struct OnnxNode {
  std::string op;  ///< its type, such as "Conv"
  std::vector<std::string> inputs;
  std::string output;
  std::vector<OnnxAttribute> attributes = {};
};

/// The input or the output of a graph. A size is a number or, where any will do, a name.
struct OnnxValue {
  std::string name;
  std::vector<std::variant<std::int64_t, std::string>> shape;
};

/// `name` below `path`, as tensors of a network are named: "stage1.0" and "shortcut" give
/// "stage1.0.shortcut". The path of a network itself is empty.
std::string onnx_path(std::string_view path, std::string_view name);

/// The graph of a function of one input, all of float32. The name of a value is unique.
struct OnnxGraph {
  OnnxValue input, output;
  std::vector<OnnxNode> nodes = {};            ///< each behind those whose output it takes
  std::vector<NamedTensor> initialisers = {};  ///< values that are constants
  std::map<std::string, std::string> metadata = {};

  OnnxGraph(OnnxValue input, OnnxValue output);

  /// Adds the operator of a module at `path` and returns the name of its output, such as
  /// "stage1.0/Add".
  std::string add(std::string op, std::string_view path, std::vector<std::string> inputs,
                  std::vector<OnnxAttribute> attributes = {});

  /// Adds a constant and returns its name: `name`, with a number behind it if that is taken. It
  /// holds the data of `value`, not a copy.
  std::string add_constant(const std::string& name, const Tensor& value);

 private:
  std::string unique(std::string name);
  std::map<std::string, int> taken_ = {};
};

/// Takes the batch norms (of running statistics) that stand right behind a convolution whose output
/// nothing else takes into that convolution: with s = scale / sqrt(var + epsilon), per channel,
///   weight' = s weight,  bias' = s (bias - mean) + shift.
/// Other norms, such as those in front of a convolution, stay.
void fold_norms(OnnxGraph& graph);

}  // namespace resgrad
