#include "core/ops/matmul.h"

#include <algorithm>
#include <limits>

#include "core/autograd/node.h"
#include "core/kernels/gemm.h"
#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

using kernels::Transpose;

constexpr std::int64_t kMostColumns = std::numeric_limits<std::int32_t>::max();  // that BLAS takes

// op(a) op(b) of rank-2 tensors.
Tensor product(const Tensor& a, Transpose ta, const Tensor& b, Transpose tb) {
  const std::int64_t m = a.dim(ta == Transpose::yes ? 1 : 0);
  const std::int64_t k = a.dim(ta == Transpose::yes ? 0 : 1);
  const std::int64_t n = b.dim(tb == Transpose::yes ? 0 : 1);
  require<ShapeError>(std::max({k, n, a.dim(1), b.dim(1)}) <= kMostColumns,
                      "matmul: expected sizes of at most {}, got {} and {}", kMostColumns,
                      a.shape(), b.shape());
  Tensor y = Tensor::empty({m, n}, a.dtype());
  if (k == 0) y.zero_();
  visit_floating(a.dtype(), "matmul", [&]<class T>() {
    if (k > 0) {
      kernels::gemm<T>(ta, tb, m, n, k, 1, a.data<T>(), a.dim(1), b.data<T>(), b.dim(1), 0,
                       y.data<T>(), n);
    }
  });
  return y;
}

// Of a [m, k] and a [k, n] matrix in either layout, whose product is [m, n].
double product_macs(const Shape& y, std::int64_t k) {
  return static_cast<double>(numel(y)) * static_cast<double>(k);
}

struct MatmulNode final : Node {
  MatmulNode(const Tensor& a, const Tensor& b) : a_(a), b_(b) {}
  const char* name() const override { return "matmul"; }
  std::vector<SavedTensor*> saved() override { return {&a_, &b_}; }
  double multiply_adds() const override { return product_macs(shape, a_.get(*this).dim(1)); }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor a = a_.get(*this), b = b_.get(*this);
    return {needs_grad(0) ? product(dy, Transpose::no, b, Transpose::yes) : Tensor(),
            needs_grad(1) ? product(a, Transpose::yes, dy, Transpose::no) : Tensor()};
  }
  SavedTensor a_, b_;
};

struct LinearNode final : Node {
  LinearNode(const Tensor& x, const Tensor& weight) : x_(x), weight_(weight) {}
  const char* name() const override { return "linear"; }
  std::vector<SavedTensor*> saved() override { return {&x_, &weight_}; }
  double multiply_adds() const override { return product_macs(shape, x_.get(*this).dim(1)); }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor x = x_.get(*this), weight = weight_.get(*this);
    return {needs_grad(0) ? product(dy, Transpose::no, weight, Transpose::no) : Tensor(),
            needs_grad(1) ? product(dy, Transpose::yes, x, Transpose::no) : Tensor(),
            needs_grad(2) ? sum_to_shape(dy, {dy.dim(1)}) : Tensor()};
  }
  SavedTensor x_, weight_;
};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  require_rank("matmul", "a", a, 2);
  require_shape("matmul", "b", b, {a.dim(1), -1});
  require_dtype("matmul", "b", b, a.dtype());
  return record<MatmulNode>(product(a, Transpose::no, b, Transpose::no), {{"a", a}, {"b", b}}, a,
                            b);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require_rank("linear", "x", x, 2);
  require_shape("linear", "weight", weight, {-1, x.dim(1)});
  require_dtype("linear", "weight", weight, x.dtype());
  Tensor y = product(x, Transpose::no, weight, Transpose::yes);
  if (bias.defined()) {
    require_shape("linear", "bias", bias, {weight.dim(0)});
    require_dtype("linear", "bias", bias, x.dtype());
    y = add(y, bias.detach());
  }
  return record<LinearNode>(y, {{"x", x}, {"weight", weight}, {"bias", bias}}, x, weight);
}

}  // namespace resgrad
