#include "core/kernels/sum.h"

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

// Parts of the terms that add up for themselves: not smaller than this, and not more than that.
constexpr std::int64_t kPart = 32768, kMostParts = 64;

std::int64_t places(std::span<const SumAxis> axes, bool stay) {
  std::int64_t n = 1;
  for (const SumAxis& axis : axes) n *= stay && axis.summed ? 1 : axis.size;
  return n;
}

template <class T>
void store(T* y, const double* sums, std::int64_t n, double scale) {
  std::transform(sums, sums + n, y, [=](double sum) { return static_cast<T>(sum * scale); });
}

// Calls f(p, begin, end) for the p-th of `parts` nearly equal parts of [0, n), which threads share.
template <class F>
void for_parts(std::int64_t n, std::int64_t parts, std::int64_t values, const F& f) {
#pragma omp parallel for schedule(static) num_threads(threads_for(values))
  for (std::int64_t p = 0; p < parts; ++p) f(p, n * p / parts, n * (p + 1) / parts);
}

}  // namespace

template <class T>
void sum(T* y, const T* x, const SumAxis* axes, std::int64_t count, double scale) {
  const std::span all(axes, static_cast<std::size_t>(count)), inner = all.subspan(1);
  const std::int64_t first = all[0].size, of_x = places(inner, false), of_y = places(inner, true);
  const std::int64_t values = first * of_x, wanted = std::max<std::int64_t>(1, values / kPart);
  const auto add = sums<T>().add;
  // Adds what lies at x, with axes of which the first one is cut to a size.
  const auto add_cut = [add](std::span<const SumAxis> cut, std::int64_t size, double* to,
                             const T* from) {
    std::vector<SumAxis> own(cut.begin(), cut.end());
    own[0].size = size;
    add(to, from, own.data(), std::ssize(own));
  };

  if (!all[0].summed) {  // its places are apart from each other
    std::vector<double> to(static_cast<std::size_t>(first * of_y));
    const auto sum_part = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      double* const own = to.data() + begin * of_y;
      add_cut(all, end - begin, own, x + begin * of_x);
      store(y + begin * of_y, own, (end - begin) * of_y, scale);
    };
    for_parts(first, std::min(first, wanted), values, sum_part);
    return;
  }
  const std::int64_t terms_share = values / (8 * of_y);
  if (terms_share <= 1 && !inner.empty()) {  // so are those of the second, which stays
    const std::int64_t places_x = of_x / inner[0].size, places_y = of_y / inner[0].size;
    std::vector<double> to(static_cast<std::size_t>(of_y));
    const auto sum_part = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      double* const own = to.data() + begin * places_y;
      for (std::int64_t i = 0; i < first; ++i) {
        add_cut(inner, end - begin, own, x + i * of_x + begin * places_x);
      }
      store(y + begin * places_y, own, (end - begin) * places_y, scale);
    };
    for_parts(inner[0].size, std::min(inner[0].size, wanted), values, sum_part);
    return;
  }
  // parts of the first axis have sums of their own, which are added in their order
  const std::int64_t parts =
      std::min({first, wanted, std::max<std::int64_t>(1, terms_share), kMostParts});
  std::vector<double> to(static_cast<std::size_t>(parts * of_y));
  const auto sum_part = [&](std::int64_t p, std::int64_t begin, std::int64_t end) {
    add_cut(all, end - begin, to.data() + p * of_y, x + begin * of_x);
  };
  for_parts(first, parts, values, sum_part);
  for (std::int64_t p = 1; p < parts; ++p) {
    const double* const part = to.data() + p * of_y;
    std::transform(part, part + of_y, to.data(), to.data(), std::plus<double>());
  }
  store(y, to.data(), of_y, scale);
}
template void sum(float*, const float*, const SumAxis*, std::int64_t, double);
template void sum(double*, const double*, const SumAxis*, std::int64_t, double);

}  // namespace resgrad::kernels
