// Predictions image by image: as a table for files, and those that were furthest from the label.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/evaluate.h"

namespace resgrad {

/// The text of a table with the header
///   index,file,label,predicted,probability,loss
/// and a row per prediction, by rising index: the place of the image in the data set that `dataset`
/// is or is a part of, the file that it was read from (empty: none), both classes by name, and the
/// numbers with as many digits as give the same double back. Texts with a comma, a quote or the end
/// of a line are quoted as RFC 4180 says.
std::string predictions_csv(const std::vector<Prediction>& predictions,
                            const data::Dataset& dataset);

/// The `count` predictions with the largest losses, or all, the largest first, of equal ones the
/// lower index.
std::vector<Prediction> top_losses(std::vector<Prediction> predictions, std::int64_t count);

}  // namespace resgrad
