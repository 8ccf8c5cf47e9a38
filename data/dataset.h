// A data set of small colour images in memory, as 8-bit planes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace resgrad::data {

enum class Split { train, test };

struct Dataset {
  std::string name = {};
  /// [n, 3, height, width], row-major planes R, G, B, as in the CIFAR files.
  std::vector<std::uint8_t> images = {};
  std::vector<std::uint8_t> labels = {};  ///< [n], in [0, num_classes)
  int height = 32, width = 32;
  int num_classes = 10;
  std::vector<std::string> class_names = {};
  /// [n], of images that were files: CLASS/NAME; or none.
  std::vector<std::string> files = {};
  /// [n], of a part: the places of its images in the whole; or none.
  std::vector<std::int64_t> places = {};
  /// For the user, about the files it was read from. Parts of a data set have none.
  std::vector<std::string> warnings = {};

  std::int64_t size() const { return std::ssize(labels); }
  /// The number of image i in the whole that this is or is a part of.
  std::int64_t place(std::int64_t i) const {
    return places.empty() ? i : places[static_cast<std::size_t>(i)];
  }
  std::int64_t image_bytes() const { return std::int64_t{3} * height * width; }
  const std::uint8_t* image(std::int64_t i) const { return images.data() + i * image_bytes(); }
};

/// The images at `indices`, in that order, which know their places.
/// Throws  ValueError for an index out of range.
Dataset subset(const Dataset& dataset, const std::vector<std::int64_t>& indices);

/// The first `count` images.
/// Throws  ValueError unless 1 <= count <= size.
Dataset first(const Dataset& dataset, std::int64_t count);

/// Splits off `validation` images that a permutation keyed by `seed` picks: (the rest, validation),
/// both in the order of `dataset`.
/// Throws  ValueError unless 0 < validation < size.
std::pair<Dataset, Dataset> split(const Dataset& dataset, std::int64_t validation,
                                  std::uint64_t seed);

}  // namespace resgrad::data
