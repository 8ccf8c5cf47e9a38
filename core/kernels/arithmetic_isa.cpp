#include "core/kernels/arithmetic.h"

#include "core/kernels/range_isa.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// A thread takes about so many elements at a time.
constexpr std::int64_t kBlock = 8192;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};

struct Sub {
  template <class T>
  T operator()(T a, T b) const {
    return a - b;
  }
};

struct Mul {
  template <class T>
  T operator()(T a, T b) const {
    return a * b;
  }
};

struct Div {
  template <class T>
  T operator()(T a, T b) const {
    return a / b;
  }
};

// One row, with the usual steps of 0 and 1 as constants.
template <class T, class Op>
void row(T* y, const T* a, std::int64_t step_a, const T* b, std::int64_t step_b, std::int64_t n,
         Op op) {
  if (step_a == 1 && step_b == 1) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i], b[i]);
  } else if (step_a == 1 && step_b == 0) {
    const T same = *b;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i], same);
  } else if (step_a == 0 && step_b == 1) {
    const T same = *a;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(same, b[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i * step_a], b[i * step_b]);
  }
}

template <class T, class Op>
void apply(T* y, const T* a, const T* b, const StridedAxis* axes, std::int64_t count) {
  const StridedAxis rows = axes[count - 2], columns = axes[count - 1];
  std::int64_t matrices = 1;
  for (std::int64_t axis = 0; axis < count - 2; ++axis) matrices *= axes[axis].size;
  const Range all_rows{0, rows.size}, all_columns{0, columns.size};
  const std::int64_t row_blocks = parts_of(all_rows, most(1, kBlock / most(1, columns.size)));
  const std::int64_t column_blocks = parts_of(all_columns, kBlock);
  const std::int64_t blocks = row_blocks * column_blocks, elements = rows.size * columns.size;
#pragma omp parallel for schedule(static) num_threads(threads_for(matrices* elements))
  for (std::int64_t item = 0; item < matrices * blocks; ++item) {
    const std::int64_t matrix = item / blocks;
    const T *from_a = a, *from_b = b;
    for (std::int64_t axis = count - 3, rest = matrix; axis >= 0; rest /= axes[axis].size, --axis) {
      from_a += rest % axes[axis].size * axes[axis].a;
      from_b += rest % axes[axis].size * axes[axis].b;
    }
    const Range block = part(all_rows, item % blocks / column_blocks, row_blocks);
    const Range part_of_row = part(all_columns, item % column_blocks, column_blocks);
    for (std::int64_t r = block.begin; r < block.end; ++r) {
      const std::int64_t c = part_of_row.begin;
      row(y + matrix * elements + r * columns.size + c, from_a + r * rows.a + c * columns.a,
          columns.a, from_b + r * rows.b + c * columns.b, columns.b, size(part_of_row), Op());
    }
  }
}

}  // namespace

template <class T>
ArithmeticKernels<T> arithmetic() {
  return {apply<T, Add>, apply<T, Sub>, apply<T, Mul>, apply<T, Div>};
}
template ArithmeticKernels<float> arithmetic();
template ArithmeticKernels<double> arithmetic();

}  // namespace resgrad::kernels::RESGRAD_ISA
