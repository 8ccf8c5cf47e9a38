#include "tests/support/golden.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/autograd/grad_mode.h"
#include "core/check.h"
#include "core/ops/shaping.h"

namespace resgrad::golden {
namespace {

/// The 64-bit numbers z of one tensor.
class Mixed {
 public:
  Mixed(std::string_view case_name, std::string_view name) {
    for (const char c : fmt::format("{}/{}", case_name, name)) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
  }
  std::uint64_t operator()(std::uint64_t i) const {
    std::uint64_t z = hash_ + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

struct Bounds {
  double low, high;
};

Bounds bounds(std::string_view name, const Shape& shape) {
  const std::string_view kind = name.substr(name.rfind('.') + 1);
  if (kind == "weight" && shape.size() >= 2) {
    const std::int64_t fan_in = numel(shape) / shape[0];
    const double bound = std::sqrt(6 / static_cast<double>(fan_in));
    return {-bound, bound};
  }
  if (kind == "weight" || kind == "running_var") return {0.5, 1.5};
  if (kind == "bias" || kind == "running_mean") return {-0.5, 0.5};
  return {-1, 1};
}

std::vector<double> draw_values(std::string_view case_name, std::string_view name,
                                const Shape& shape) {
  const Mixed mixed(case_name, name);
  const auto [low, high] = bounds(name, shape);
  std::vector<double> values(static_cast<std::size_t>(numel(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = low + (high - low) * (static_cast<double>(mixed(i) >> 11) * 0x1p-53);
  }
  return values;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

std::string read_text(std::string_view path) {
  const std::string full = fmt::format("{}/{}", RESGRAD_GOLDEN_DIR, path);
  std::ifstream file(full, std::ios::binary);
  require<IoError>(file.good(), "golden: {}: expected a readable file", full);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json load_cases(std::string_view group) {
  return Json::parse(read_text(fmt::format("{}.json", group))).at("cases");
}

Tensor draw(std::string_view case_name, std::string_view name, const Shape& shape, DType dtype,
            MemoryFormat format) {
  const NoGradGuard no_grad;
  return Tensor::from(draw_values(case_name, name, shape), shape).to(dtype).detach(format);
}

Tensor draw_labels(std::string_view case_name, std::string_view name, std::int64_t count,
                   std::int64_t classes) {
  const Mixed mixed(case_name, name);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::int64_t>(mixed(i) % static_cast<std::uint64_t>(classes));
  }
  return Tensor::from(labels, {count});
}

void fill(Module& module, std::string_view case_name) {
  const NoGradGuard no_grad;
  for (NamedTensor& entry : module.state_dict()) {
    Tensor& t = entry.tensor;
    if (is_floating(t.dtype())) {
      t.copy_(draw(case_name, entry.name, t.shape(), t.dtype()));
    } else {
      t.zero_();
    }
  }
}

std::string Comparison::difference(std::string_view name, const Tensor& actual,
                                   const Json& expected) const {
  if (!actual.defined()) return fmt::format("{}: {} is undefined\n", case_name, name);
  const auto stored = expected.get<std::vector<double>>();
  std::vector<double> values = actual.to_vector<double>();
  double scale = 0;
  if (!full) {
    std::vector<double> print = {std::sqrt(dot(values, values))};
    for (const int k : {1, 2}) {
      print.push_back(dot(
          values, draw_values(case_name, fmt::format("{}/projection{}", name, k), actual.shape())));
    }
    values = print;
    scale = stored.at(0);
  } else {
    for (const double v : stored) scale = std::max(scale, std::abs(v));
  }
  if (values.size() != stored.size()) {
    return fmt::format("{}: {}: expected {} elements, got {}\n", case_name, name, stored.size(),
                       values.size());
  }
  std::size_t worst = 0;
  double worst_error = 0;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const double error = std::abs(values[i] - stored[i]);
    if (!(error <= worst_error)) {  // a NaN counts as worst
      worst = i;
      worst_error = error;
    }
  }
  if (worst_error <= tolerance * scale) return "";
  return fmt::format("{}: {}: {} {}: expected {}, got {}, off by {:.2e} of {:.2e}\n", case_name,
                     name, full ? "element" : "fingerprint", worst, stored[worst], values[worst],
                     worst_error / scale, scale);
}

std::string Comparison::differences(const std::vector<NamedTensor>& actual,
                                    const Json& expected) const {
  std::string text;
  std::size_t found = 0;
  for (const NamedTensor& entry : actual) {
    if (!expected.contains(entry.name)) {
      text += fmt::format("{}: {} is not in PyTorch's result\n", case_name, entry.name);
      continue;
    }
    ++found;
    text += difference(entry.name, entry.tensor, expected.at(entry.name));
  }
  if (found != expected.size()) {
    text += fmt::format("{}: {} of {} expected tensors found\n", case_name, found, expected.size());
  }
  return text;
}

std::vector<NamedTensor> gradients(const Module& module, const Tensor& x) {
  std::vector<NamedTensor> all = {{"x", x.grad()}};
  for (const NamedTensor& p : module.named_parameters()) all.push_back({p.name, p.tensor.grad()});
  return all;
}

}  // namespace resgrad::golden
