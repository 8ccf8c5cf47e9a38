// Seeded tensors. The logical values depend on seed and shape only, not on dtype or memory format.
#pragma once

#include "core/random.h"
#include "core/tensor.h"

namespace resgrad::testing {

/// A tensor from values in logical order.
inline Tensor tensor_of(const std::vector<double>& values, const Shape& shape,
                        DType dtype = DType::float64,
                        MemoryFormat format = MemoryFormat::contiguous) {
  Tensor t = Tensor::empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>() {
    for (std::size_t i = 0; i < values.size(); ++i) t.data<T>()[i] = static_cast<T>(values[i]);
  });
  return t.detach(format);
}

/// Uniform values in [low, high).
inline Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float64,
                            MemoryFormat format = MemoryFormat::contiguous, double low = -1,
                            double high = 1) {
  Random random(seed, Purpose::test);
  std::vector<double> values(static_cast<std::size_t>(numel(shape)));
  for (double& v : values) v = random.uniform(low, high);
  return tensor_of(values, shape, dtype, format);
}

/// A random order of 0, 1, 2, ... times `step`: no two elements are equal.
inline Tensor distinct_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float64,
                              MemoryFormat format = MemoryFormat::contiguous, double step = 0.125) {
  Random random(seed, Purpose::test);
  std::vector<double> values;
  for (std::int64_t i : random.permutation(numel(shape))) {
    values.push_back(step * static_cast<double>(i));
  }
  return tensor_of(values, shape, dtype, format);
}

/// The sum of the products of all elements, in double and logical order.
inline double dot(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace resgrad::testing
