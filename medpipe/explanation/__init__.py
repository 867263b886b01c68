"""From the map that an artefact gives to reasons in words and a drawing."""
