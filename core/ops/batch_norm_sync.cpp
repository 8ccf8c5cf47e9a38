#include "core/ops/batch_norm_sync.h"

namespace resgrad {
namespace {

thread_local BatchNormSync* current_sync = nullptr;

}  // namespace

BatchNormSync* BatchNormSync::current() {
  return current_sync;
}

BatchNormSyncScope::BatchNormSyncScope(BatchNormSync* sync) : current_(current_sync, sync) {}

}  // namespace resgrad
