"""What infra/template.yaml says, as far as the rehearsal needs it: resources by type, and values with their references
filled in."""

import re

from cfnlint.decode import cfn_yaml

VARIABLE = re.compile(r"\$\{([^}!][^}]*)\}")


class Template:
    """`parameters` are those that a deployment would give; the others have their defaults. What `!Ref` gives of a
    resource, and what `!GetAtt` does, is said by `known`."""

    def __init__(self, path, parameters):
        self.text = cfn_yaml.load(str(path))
        defaults = {name: given.get("Default", "") for name, given in self.text["Parameters"].items()}
        wrong = parameters.keys() - defaults.keys()
        if wrong:
            raise KeyError(f"{path} has no parameter {', '.join(sorted(wrong))}")
        self.parameters = defaults | parameters
        self.known = {"AWS::StackName": "rehearsal", "AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}
        self.known |= {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}

    def of_type(self, kind):
        """The properties of the resources of a type that this deployment makes, by their names in the template."""
        resources = self.text["Resources"].items()
        found = {name: each for name, each in resources if each["Type"] == kind}
        return {
            name: each.get("Properties", {})
            for name, each in found.items()
            if "Condition" not in each or self.holds({"Condition": each["Condition"]})
        }

    def environment(self, function):
        """The variables of a function."""
        everybody = self.text.get("Globals", {}).get("Function", {})
        own = self.text["Resources"][function]["Properties"]
        variables = {}
        for level in [everybody, own]:
            variables |= level.get("Environment", {}).get("Variables", {})
        values = {name: self.value(given) for name, given in variables.items()}
        return {name: str(value) for name, value in values.items() if value is not None}

    def value(self, given):
        """A value as CloudFormation would fill it in; None for AWS::NoValue."""
        match given:
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": name}:
                return self.lookup(name)
            case {"Fn::GetAtt": [*parts]}:
                return self.lookup(".".join(parts))
            case {"Fn::GetAtt": str(name)}:
                return self.lookup(name)
            case {"Fn::Sub": str(text)}:
                return VARIABLE.sub(lambda name: str(self.lookup(name[1])), text)
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self.holds({"Condition": condition}) else no)
            case {"Fn::Join": [between, parts]}:
                return between.join(str(self.value(part)) for part in parts)
            case {**items}:
                return {name: self.value(item) for name, item in items.items()}
            case [*items]:
                return [self.value(item) for item in items]
        return given

    def lookup(self, name):
        if name in self.parameters:
            return self.parameters[name]
        return self.known[name]

    def holds(self, condition):
        match condition:
            case {"Condition": name}:
                return self.holds(self.text["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return str(self.value(one)) == str(self.value(other))
            case {"Fn::Not": [each]}:
                return not self.holds(each)
            case {"Fn::And": [*each]}:
                return all(self.holds(one) for one in each)
            case {"Fn::Or": [*each]}:
                return any(self.holds(one) for one in each)
        raise ValueError(f"a condition that the rehearsal does not know: {condition}")
