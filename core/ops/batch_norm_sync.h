// Batch norms over a batch of which each thread or process has a part.
#pragma once

#include <span>

#include "core/scoped_value.h"

namespace resgrad {

/// Adds up over the parts of a batch what a batch norm in training sums up over its images: in
/// forward per channel the number of values, their sum and their sum of squares, in backward
/// sum(dy) and sum(dy * xhat).
class BatchNormSync {
 public:
  virtual ~BatchNormSync() = default;
  /// Replaces `values` by their elementwise sums over all parts, the same at each of them. All call
  /// it equally often, in the same order.
  virtual void sum(std::span<double> values) = 0;

  /// That of this thread, or null: batches are whole.
  static BatchNormSync* current();
};

/// While it is alive, batch norms in training take their statistics of the whole batch, and so do
/// their gradients, of which each part has dweight and dbias of its own images.
class BatchNormSyncScope {
 public:
  explicit BatchNormSyncScope(BatchNormSync* sync);

 private:
  ScopedValue<BatchNormSync*> current_;
};

}  // namespace resgrad
