#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/autograd/grad_mode.h"
#include "core/kernels/layout.h"
#include "core/random.h"

namespace resgrad {
namespace {

// Calls f(memory_index) for the elements in logical order.
template <class F>
void for_each_logical(const Tensor& t, F&& f) {
  if (t.memory_format() == MemoryFormat::contiguous) {
    for (std::int64_t i = 0; i < t.numel(); ++i) f(i);
    return;
  }
  const std::vector<std::int64_t> s = t.strides();
  for (std::int64_t n = 0; n < t.dim(0); ++n)
    for (std::int64_t c = 0; c < t.dim(1); ++c)
      for (std::int64_t h = 0; h < t.dim(2); ++h)
        for (std::int64_t w = 0; w < t.dim(3); ++w) f(n * s[0] + c * s[1] + h * s[2] + w * s[3]);
}

}  // namespace

// ---- creation -----------------------------------------------------------------------------------

Tensor Tensor::empty(Shape shape, DType dtype, MemoryFormat format) {
  const auto elements = static_cast<std::size_t>(resgrad::numel(shape));
  require<ShapeError>(format == MemoryFormat::contiguous || shape.size() == 4,
                      "tensor: channels_last: expected rank 4, got shape {}", shape);
  auto impl = std::make_shared<TensorImpl>();
  impl->storage = std::make_shared<Storage>(elements * size_of(dtype));
  impl->shape = std::move(shape);
  impl->dtype = dtype;
  impl->format = format;
  return Tensor(std::move(impl));
}

Tensor Tensor::full(Shape shape, double value, DType dtype, MemoryFormat format) {
  Tensor t = empty(std::move(shape), dtype, format);
  t.fill_(value);
  return t;
}

Tensor Tensor::zeros(Shape shape, DType dtype, MemoryFormat format) {
  return full(std::move(shape), 0, dtype, format);
}

Tensor Tensor::ones(Shape shape, DType dtype, MemoryFormat format) {
  return full(std::move(shape), 1, dtype, format);
}

Tensor Tensor::scalar(double value, DType dtype) {
  return full({}, value, dtype);
}

template <class T>
Tensor Tensor::from(std::span<const T> values, Shape shape) {
  Tensor t = empty(std::move(shape), dtype_of<T>());
  require<ShapeError>(static_cast<std::int64_t>(values.size()) == t.numel(),
                      "tensor: values: expected {} for shape {}, got {}", t.numel(), t.shape(),
                      values.size());
  std::ranges::copy(values, t.data<T>());
  return t;
}
template Tensor Tensor::from(std::span<const float>, Shape);
template Tensor Tensor::from(std::span<const double>, Shape);
template Tensor Tensor::from(std::span<const std::int64_t>, Shape);

Tensor Tensor::randn(Shape shape, Random& random, DType dtype, MemoryFormat format) {
  Tensor t = empty(std::move(shape), dtype, format);
  visit_floating(dtype, "randn", [&]<class T>() {
    std::generate_n(t.data<T>(), t.numel(), [&] { return static_cast<T>(random.normal()); });
  });
  return t;
}

Tensor Tensor::rand(Shape shape, Random& random, double low, double high, DType dtype,
                    MemoryFormat format) {
  Tensor t = empty(std::move(shape), dtype, format);
  visit_floating(dtype, "rand", [&]<class T>() {
    const T below_high = std::nextafter(static_cast<T>(high), static_cast<T>(low));
    std::generate_n(t.data<T>(), t.numel(), [&] {
      return std::min(static_cast<T>(random.uniform(low, high)), below_high);  // after rounding
    });
  });
  return t;
}

Tensor Tensor::empty_like(const Tensor& other) {
  return empty(other.shape(), other.dtype(), other.memory_format());
}

Tensor Tensor::zeros_like(const Tensor& other) {
  return zeros(other.shape(), other.dtype(), other.memory_format());
}

// ---- properties ---------------------------------------------------------------------------------

TensorImpl& Tensor::checked() const {
  require<StateError>(impl_ != nullptr, "tensor: expected a defined tensor, got an undefined one");
  return *impl_;
}

const Shape& Tensor::shape() const {
  return checked().shape;
}

std::int64_t Tensor::dim(std::int64_t axis) const {
  return shape()[static_cast<std::size_t>(normalise_axis("dim", axis, rank()))];
}

std::int64_t Tensor::numel() const {
  return resgrad::numel(shape());
}
DType Tensor::dtype() const {
  return checked().dtype;
}
MemoryFormat Tensor::memory_format() const {
  return checked().format;
}

std::vector<std::int64_t> Tensor::strides() const {
  return strides_of(shape(), memory_format());
}

std::uint64_t Tensor::version() const {
  return checked().storage->version;
}

// ---- data ---------------------------------------------------------------------------------------

template <class T>
const T* Tensor::data() const {
  require<ValueError>(dtype() == dtype_of<T>(), "data: dtype: expected {}, got {}",
                      name(dtype_of<T>()), name(dtype()));
  return reinterpret_cast<const T*>(bytes());
}
template <class T>
T* Tensor::data() {
  return const_cast<T*>(std::as_const(*this).data<T>());
}
template float* Tensor::data<float>();
template double* Tensor::data<double>();
template std::int64_t* Tensor::data<std::int64_t>();
template const float* Tensor::data<float>() const;
template const double* Tensor::data<double>() const;
template const std::int64_t* Tensor::data<std::int64_t>() const;

std::byte* Tensor::bytes() {
  const TensorImpl& impl = checked();
  return impl.storage->data() + impl.offset;
}

const std::byte* Tensor::bytes() const {
  return const_cast<Tensor*>(this)->bytes();
}

std::size_t Tensor::byte_size() const {
  return static_cast<std::size_t>(numel()) * size_of(dtype());
}

double Tensor::item() const {
  require<ShapeError>(numel() == 1, "item: shape: expected one element, got {}", shape());
  return visit_dtype(dtype(), [&]<class T>() { return static_cast<double>(*data<T>()); });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>(numel()));
  visit_dtype(dtype(), [&]<class From>() {
    const From* values = data<From>();
    for_each_logical(*this, [&](std::int64_t i) { out.push_back(converted_value<T>(values[i])); });
  });
  return out;
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;

// ---- changes in place ---------------------------------------------------------------------------

void Tensor::bump_version() {
  require<StateError>(
      !requires_grad() || !grad_enabled(),
      "in-place change: expected a tensor without a gradient, got one that requires "
      "it; use NoGradGuard or detach()");
  ++checked().storage->version;
}

void Tensor::fill_(double value) {
  visit_dtype(dtype(), [&]<class T>() {
    const T converted = converted_value<T>(value);
    bump_version();
    std::fill_n(data<T>(), numel(), converted);
  });
}

void Tensor::copy_(const Tensor& source) {
  require<ShapeError>(source.shape() == shape(), "copy_: source: expected shape {}, got {}",
                      shape(), source.shape());
  require<ValueError>(source.dtype() == dtype(), "copy_: source: expected dtype {}, got {}",
                      name(dtype()), name(source.dtype()));
  bump_version();
  const Tensor same_order = source.detach(memory_format());
  if (byte_size() != 0) std::memmove(bytes(), same_order.bytes(), byte_size());
}

// ---- views and copies ---------------------------------------------------------------------------

Tensor Tensor::detach() const {
  auto impl = std::make_shared<TensorImpl>();
  static_cast<TensorData&>(*impl) = static_cast<const TensorData&>(checked());
  return Tensor(std::move(impl));
}

Tensor Tensor::detach(MemoryFormat format) const {
  if (format == memory_format()) return requires_grad() ? detach() : *this;
  Tensor out = empty(shape(), dtype(), format);
  const std::int64_t n = dim(0), c = dim(1), hw = dim(2) * dim(3);
  visit_dtype(dtype(), [&]<class T>() {
    if (format == MemoryFormat::channels_last) {
      kernels::transpose_planes(out.data<T>(), data<T>(), n, c, hw);
    } else {
      kernels::transpose_planes(out.data<T>(), data<T>(), n, hw, c);
    }
  });
  return out;
}

// ---- autograd -----------------------------------------------------------------------------------

bool Tensor::requires_grad() const {
  return checked().grad_fn != nullptr;
}

Tensor Tensor::grad() const {
  return checked().grad;
}

void Tensor::set_grad(Tensor grad) {
  if (grad.defined()) {
    require<ShapeError>(grad.shape() == shape(), "set_grad: grad: expected shape {}, got {}",
                        shape(), grad.shape());
    require<ValueError>(grad.dtype() == dtype(), "set_grad: grad: expected dtype {}, got {}",
                        name(dtype()), name(grad.dtype()));
  }
  checked().grad = std::move(grad);
}

void Tensor::zero_grad() {
  checked().grad = Tensor();
}
const std::shared_ptr<Node>& Tensor::grad_fn() const {
  return checked().grad_fn;
}

}  // namespace resgrad
