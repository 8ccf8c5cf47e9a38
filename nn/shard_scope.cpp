#include "nn/shard_scope.h"

namespace resgrad {
namespace {

thread_local std::uint32_t current_shard = 0;

}  // namespace

ShardScope::ShardScope(std::uint32_t shard) : current_(current_shard, shard) {}

std::uint32_t ShardScope::current() {
  return current_shard;
}

}  // namespace resgrad
