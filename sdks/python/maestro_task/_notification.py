"""What notifiers take as ``notification``: spec/notification-v1.schema.json. Written by ``npm run docs``."""

from typing import Any, Dict

NOTIFICATION_SCHEMA: Dict[str, Any] = {
    "type": "object",
    "required": [
        "title"
    ],
    "properties": {
        "title": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "pattern": "^[^\\x00-\\x1f\\x7f]+$",
            "description": "What happened, in one line.",
            "examples": [
                "shop 1.4.0 is live"
            ]
        },
        "text": {
            "type": "string",
            "maxLength": 8000,
            "description": "More about it, as plain text of any number of lines."
        },
        "severity": {
            "enum": [
                "info",
                "success",
                "warning",
                "error",
                "critical"
            ],
            "default": "info",
            "description": "How much it matters; it colours the message."
        },
        "fields": {
            "type": "array",
            "maxItems": 20,
            "description": "Facts to show beside the text, in this order.",
            "items": {
                "type": "object",
                "required": [
                    "name",
                    "value"
                ],
                "properties": {
                    "name": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 100,
                        "pattern": "^[^\\x00-\\x1f\\x7f]+$",
                        "description": "What the fact is called."
                    },
                    "value": {
                        "type": [
                            "string",
                            "number",
                            "boolean"
                        ],
                        "maxLength": 1000,
                        "description": "The fact."
                    }
                },
                "additionalProperties": False
            }
        },
        "link": {
            "type": "object",
            "required": [
                "url"
            ],
            "properties": {
                "title": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 75,
                    "default": "Open",
                    "description": "What the link says."
                },
                "url": {
                    "type": "string",
                    "maxLength": 2000,
                    "pattern": "^https?://[^\\s<>|\"]+$",
                    "description": "Where it leads; http or https."
                }
            },
            "additionalProperties": False,
            "description": "Where to read on."
        }
    },
    "additionalProperties": False
}
