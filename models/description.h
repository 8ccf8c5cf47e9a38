// The description of a network as text: one field, one word. Flags, args.json and weights files
// hold networks in this form.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/resnet.h"

namespace resgrad::models {

/// Fields of a description by their names. Numbers are decimal, lists are separated by commas,
/// switches are "on" or "off".
using Fields = std::map<std::string, std::string>;

/// What a person may know of a field.
struct FieldInfo {
  std::string name;    ///< as the member of ResNetConfig
  std::string values;  ///< what it takes: "post|pre", "a whole number", ...
  std::string help;    ///< what it is
};

/// All fields, in the order in which a person reads them.
const std::vector<FieldInfo>& field_infos();

/// All fields of a network. Those of bottlenecks (stride_in_first and one of bottleneck_ratio and
/// mid_channels) and of pre-activation (activated_shortcut and final_norm) are left out where there
/// are none.
Fields to_fields(const ResNetConfig& config);

/// `base` with some fields replaced: with_fields(any, to_fields(config)) is the network of
/// `config`. What belongs to a replaced field goes with it: another `block` than bottleneck drops
/// the fields of bottlenecks, `activation=post` those of pre-activation, bottleneck_ratio drops
/// mid_channels.
/// Throws  ValueError that names field and text for an unknown field, a text that the field does
///         not take, fields of bottlenecks without them, both of bottleneck_ratio and mid_channels;
///         and as validate() for a network that is impossible.
ResNetConfig with_fields(ResNetConfig base, const Fields& fields);

/// "block=basic blocks=3,3,3 ...", in the order of field_infos().
std::string to_text(const Fields& fields);
/// A line for each field, for people.
std::string to_table(const Fields& fields);
/// The fields of such a text.
/// Throws  ValueError for a word without "=" and a field that is given twice; with_fields() checks
///         names and values.
Fields parse_fields(std::string_view text);

Activation parse_activation(std::string_view text);  ///< "post" or "pre", else ValueError
Shortcut parse_shortcut(std::string_view text);      ///< "A" or "B", else ValueError
Stem parse_stem(std::string_view text);              ///< "cifar" or "imagenet", else ValueError

}  // namespace resgrad::models
