#include "train/dist/agreement.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/crc32.h"
#include "core/kernels/isa.h"

namespace resgrad {

std::uint32_t checksum(const std::vector<NamedTensor>& tensors) {
  std::uint32_t sum = 0;
  for (const NamedTensor& t : tensors) {
    sum = crc32({std::as_const(t.tensor).bytes(), t.tensor.byte_size()}, sum);
  }
  return sum;
}

void require_equal(Communicator& ranks, std::string_view what, const std::string& own) {
  if (ranks.size() == 1) return;
  const std::vector<std::string> all = ranks.all(own);
  const auto other =
      std::ranges::find_if(all, [&all](const std::string& text) { return text != all.front(); });
  require<StateError>(
      other == all.end(),
      "train: {}: expected the same at all {} ranks, got {} at rank 0 and {} at rank "
      "{}",
      what, all.size(), all.front(), other == all.end() ? "" : *other, other - all.begin());
}

void use_common_isa(Communicator& ranks) {
  const auto active = static_cast<std::int64_t>(kernels::active_isa());
  kernels::set_isa(static_cast<kernels::Isa>(-ranks.max(-active)));
}

}  // namespace resgrad
