# METADATA
# title: The default policy of Maestro
# description: |
#   What a role may do stands in data.json; whoever has no role that may do it may not. Nothing that is forbidden is allowed
#   to anybody.
package maestro.authz

# METADATA
# description: What the gate is answered
# entrypoint: true
decision := {"allow": allow, "rules": rules, "reasons": reasons}

default allow := false

allow if {
	count(permits) > 0
	count(forbids) == 0
}

rules := sort(object.keys(permits)) if allow

else := sort(object.keys(forbids))

reasons := [sentence | some rule in rules; sentence := permits[rule]] if {
	allow
} else := [sentence | some rule in rules; sentence := forbids[rule]] if {
	count(permits) > 0
} else := array.concat(
	[concat("", ["no role of ", input.subject.type, " ", input.subject.id, " may do ", input.action.name])],
	[sentence | some rule in rules; sentence := forbids[rule]],
)

permits["role-owner"] := "owner may do everything" if {
	"owner" in roles
	some actions in data.maestro.roles
	input.action.name in actions
}

permits[rule] := sentence if {
	some role in roles
	input.action.name in data.maestro.roles[role]
	rule := concat("", ["role-", role])
	sentence := concat("", [role, " may do ", input.action.name])
}

forbids["purpose-declared"] := "A run says why it happens, in a word its runbook knows. Name one of the runbook's purposes with --purpose." if {
	input.action.name == "run.start"
	not purpose_declared
}

forbids["authority-given"] := "Where the runbook asks for a mandate, a run names its ticket, approval or legal basis. Name it with --authority." if {
	input.action.name == "run.start"
	not authority_given
}

purpose_declared if {
	are_texts(input.resource.properties.purposes)
	input.context.purpose in input.resource.properties.purposes
}

authority_given if input.resource.properties.authorityRequired == false

authority_given if {
	is_string(input.context.authority)
	input.context.authority != ""
}

# What is no list of names is none.
roles := input.subject.properties.roles if are_texts(input.subject.properties.roles)

are_texts(value) if {
	is_array(value)
	every one in value {
		is_string(one)
	}
}
