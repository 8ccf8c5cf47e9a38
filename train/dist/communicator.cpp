#include "train/dist/communicator.h"

#include <cstring>

namespace resgrad {
namespace {

struct Done final : Transfer {
  bool done() override { return true; }
};

}  // namespace

Communicator& Communicator::alone() {
  static Communicator communicator;
  return communicator;
}

std::string Communicator::first(const std::string& own) {
  for (std::string& text : all(own)) {
    if (!text.empty()) return std::move(text);
  }
  return "";
}

std::unique_ptr<Transfer> Communicator::exchange(const std::byte* send,
                                                 std::span<const std::int64_t> to,
                                                 std::byte* received,
                                                 std::span<const std::int64_t>) {
  std::memcpy(received, send, static_cast<std::size_t>(to[0]));
  return std::make_unique<Done>();
}

std::unique_ptr<Transfer> Communicator::collect(const std::byte* send, std::byte* received,
                                                std::span<const std::int64_t> from) {
  std::memcpy(received, send, static_cast<std::size_t>(from[0]));
  return std::make_unique<Done>();
}

}  // namespace resgrad
