// Golden values: what PyTorch computed for the same layers, blocks and networks. Reads the files
// of tests/golden, fills tensors by the formula of scripts/make_goldens.py, compares results. Built
// on nn; makes no golden values itself.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "nn/module.h"

namespace resgrad::golden {

using Json = nlohmann::json;

/// The cases of tests/golden/<group>.json.
/// Throws  IoError when the file is not there.
Json load_cases(std::string_view group);

/// The text of a file below tests/golden.
/// Throws  IoError when it is not there.
std::string read_text(std::string_view path);

/// Element i (row-major) of the tensor called `name` in `case_name` is
///   z = FNV-1a("case_name/name") + (i + 1) * 0x9E3779B97F4A7C15, mixed as in splitmix64;
///   value = low + (high - low) * (z >> 11) / 2^53
/// with bounds by the last part of the name: weight of rank 2 or 4 +-sqrt(6 / fan_in); other weight
/// and running_var [0.5, 1.5); bias and running_mean [-0.5, 0.5); anything else [-1, 1).
Tensor draw(std::string_view case_name, std::string_view name, const Shape& shape,
            DType dtype = DType::float64, MemoryFormat format = MemoryFormat::contiguous);

/// int64 [count]: z mod classes.
Tensor draw_labels(std::string_view case_name, std::string_view name, std::int64_t count,
                   std::int64_t classes);

/// Fills every parameter and buffer with draw(case_name, its name); counters become 0.
void fill(Module& module, std::string_view case_name);

/// How results are compared with the stored numbers.
struct Comparison {
  std::string case_name;
  double tolerance;
  /// Whether all elements are stored, else the fingerprint: L2 norm and products with the tensors
  /// "name/projection1" and "name/projection2" of the case.
  bool full;

  /// Empty when `actual` equals the stored numbers, else what differs most. All elements: the
  /// difference is measured against the largest stored magnitude; fingerprints: against the norm.
  std::string difference(std::string_view name, const Tensor& actual, const Json& expected) const;
  /// Differences of all stored tensors from those of the same name in `actual`, and names that only
  /// one side has.
  std::string differences(const std::vector<NamedTensor>& actual, const Json& expected) const;
};

/// The gradient of `x` under the name "x", then those of all parameters.
std::vector<NamedTensor> gradients(const Module& module, const Tensor& x);

}  // namespace resgrad::golden
