// Readers of the binary versions of CIFAR-10 and CIFAR-100.
//
// Source  Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the formats at
//         https://www.cs.toronto.edu/~kriz/cifar.html.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "data/dataset.h"

namespace resgrad::data {

/// Reads data_batch_1.bin to data_batch_5.bin (50,000 images) or test_batch.bin (10,000) of
/// `folder`, which may also be the parent of cifar-10-batches-bin. Class names come from
/// batches.meta.txt where it is there. Only the files of `split` need to be there. A file whose
/// checksum is not the published one is read, with an entry in Dataset::warnings.
/// Throws  IoError as find_cifar() does, and, naming the file, for a wrong size or a label out of
///         range.
Dataset load_cifar10(const std::filesystem::path& folder, Split split);

/// Reads train.bin (50,000 images) or test.bin (10,000) of `folder`, which may also be the parent
/// of cifar-100-binary. Labels are the 100 fine ones; the 20 coarse ones are checked and dropped.
Dataset load_cifar100(const std::filesystem::path& folder, Split split);

/// Appends the records in `bytes` to `dataset`: `label_bytes` labels each, of which the last counts
/// and must be below dataset.num_classes, and the image. `file` names them in errors.
/// Throws  ValueError for label_bytes below 1; IoError for a part of a record or a label out of range
///         (of two also a coarse one of 20 and more), with the number of the record.
void append_records(Dataset& dataset, std::span<const std::byte> bytes, std::int64_t label_bytes,
                    const std::string& file);

}  // namespace resgrad::data
