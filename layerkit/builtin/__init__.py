"""The parts that come with layerkit, registered through the same entry points as everybody's."""
