// The only door to xtensor and xtensor-blas. A leaf: it includes nothing of ours.
//
// xtensor 0.24 picks the type of its temporaries with a template that, in C++20, mistakes the
// dynamic-rank shape type svector<size_t, 4> for a fixed rank of 4, so that xt::eval, xt::pad and
// immediate reducers give wrong results. The full specialisation below, made before any use, cures
// it; tests/core/xtensor_contract_test.cpp pins the behaviour that we rely on.
//
// Two rules wherever expressions are used: never `auto` for an expression, and always evaluate a
// reducer before it is used in arithmetic.
#pragma once

#include <xtensor/xexpression_traits.hpp>
#include <xtensor/xtensor_forward.hpp>

namespace xt::detail {
template <>
struct xtype_for_shape<xt::dynamic_shape<std::size_t>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};
}  // namespace xt::detail

#include <xtensor-blas/xblas.hpp>
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>
